//! The logical node of MATCH_RECOGNIZE: the keys (or, for all rows per match, the input's columns), then the picks.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::fmt;
use std::hash::{Hash, Hasher};

use datafusion_common::{DFSchemaRef, Result, internal_err};
use datafusion_expr::{Expr, LogicalPlan, UserDefinedLogicalNodeCore};
use datafusion_sql::sqlparser::tokenizer::Span;

use highwater_core::plan::Pattern;

/// A pattern over a relation.
#[derive(Clone, Debug)]
pub(crate) struct PatternNode {
    pub(crate) input: LogicalPlan,
    /// What the pattern reads, over the input.
    pub(crate) exprs: Vec<Expr>,
    /// Its columns are places in `exprs`; lateness, sequence and owner are left for the lowering.
    pub(crate) pattern: Pattern,
    /// The output's column that is the event time of a match, if it is bounded.
    pub(crate) time: usize,
    /// Where the event-time column was written.
    pub(crate) place: Span,
    pub(crate) schema: DFSchemaRef,
}

impl PatternNode {
    fn text(&self) -> String {
        format!("{:?}", self.pattern)
    }
}

impl PartialEq for PatternNode {
    fn eq(&self, other: &Self) -> bool {
        (&self.input, &self.exprs) == (&other.input, &other.exprs) && self.text() == other.text()
    }
}

impl Eq for PatternNode {}

impl Hash for PatternNode {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.input, &self.exprs, self.text()).hash(state);
    }
}

impl PartialOrd for PatternNode {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        (self == other).then_some(Ordering::Equal)
    }
}

impl UserDefinedLogicalNodeCore for PatternNode {
    fn name(&self) -> &str {
        "Pattern"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        self.exprs.clone()
    }

    fn prevent_predicate_push_down_columns(&self) -> HashSet<String> {
        self.schema.fields().iter().map(|field| field.name().clone()).collect()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pattern: {:?}", self.pattern.shape)
    }

    fn with_exprs_and_inputs(&self, exprs: Vec<Expr>, mut inputs: Vec<LogicalPlan>) -> Result<Self> {
        match inputs.pop() {
            Some(input) => Ok(PatternNode { input, exprs, ..self.clone() }),
            None => internal_err!("a pattern has an input"),
        }
    }
}
