//! The logical node of a window table function: the input's columns, then `window_start`, `window_end`, `window_time`.
//!
//! Columns of the input by these names (of an inner window) are hidden by the new ones. They are of the type of the time: the
//! windows of instants begin and end at instants, which the session's clocks show as those of the grid.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow_schema::Field;
use datafusion_common::{DFSchema, DFSchemaRef, Result, internal_err};
use datafusion_expr::{Expr, ExprSchemable, LogicalPlan, UserDefinedLogicalNodeCore};
use datafusion_sql::sqlparser::tokenizer::Span;

use crate::syntax::table_function::WINDOW_COLUMNS;
use highwater_core::plan::Window;
use highwater_core::time::Zone;

/// Which windows, in ms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum WindowKind {
    /// Windows of fixed size, in UTC or by the clocks of a zone.
    Fixed(Window, Option<Zone>),
    /// Sessions.
    Session {
        /// The gap that ends one.
        gap: i64,
    },
}

impl WindowKind {
    /// Windows of fixed size in UTC.
    pub(crate) fn fixed(window: Window) -> WindowKind {
        WindowKind::Fixed(window, None)
    }

    /// The same by the clocks of a zone. Where they are always equally far ahead of UTC that is a shift of the grid.
    pub(crate) fn in_zone(self, zone: Zone) -> WindowKind {
        match (self, zone.fixed()) {
            (WindowKind::Fixed(window, _), Some(offset)) => {
                WindowKind::Fixed(window.shifted(offset.saturating_neg()), None)
            }
            (WindowKind::Fixed(window, _), None) => WindowKind::Fixed(window, Some(zone)),
            (session, _) => session,
        }
    }
}

/// A window table function over a relation.
#[derive(Clone, Debug)]
pub(crate) struct WindowNode {
    pub(crate) input: LogicalPlan,
    pub(crate) kind: WindowKind,
    /// The event-time column.
    pub(crate) time: Expr,
    /// What sessions are apart by.
    pub(crate) partition: Vec<Expr>,
    /// The input's columns that are not hidden.
    pub(crate) kept: Vec<usize>,
    /// Where the event-time column was written.
    pub(crate) place: Span,
    schema: DFSchemaRef,
}

impl WindowNode {
    pub(crate) fn new(
        input: LogicalPlan,
        kind: WindowKind,
        time: Expr,
        partition: Vec<Expr>,
        place: Span,
    ) -> Result<Self> {
        let hidden = |name: &str| WINDOW_COLUMNS.contains(&name);
        let kept: Vec<usize> = input
            .schema()
            .fields()
            .iter()
            .enumerate()
            .filter(|(_, field)| !hidden(field.name()))
            .map(|(i, _)| i)
            .collect();
        let mut fields: Vec<_> = kept
            .iter()
            .map(|&i| {
                let (qualifier, field) = input.schema().qualified_field(i);
                (qualifier.cloned(), Arc::clone(field))
            })
            .collect();
        let time_type = time.get_type(input.schema())?;
        fields.extend(WINDOW_COLUMNS.map(|name| (None, Arc::new(Field::new(name, time_type.clone(), false)))));
        let schema = Arc::new(DFSchema::new_with_metadata(fields, Default::default())?);
        Ok(WindowNode { input, kind, time, partition, kept, place, schema })
    }
}

impl PartialEq for WindowNode {
    fn eq(&self, other: &Self) -> bool {
        (&self.input, self.kind, &self.time, &self.partition)
            == (&other.input, other.kind, &other.time, &other.partition)
    }
}

impl Eq for WindowNode {}

impl Hash for WindowNode {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.input, self.kind, &self.time, &self.partition).hash(state);
    }
}

impl PartialOrd for WindowNode {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        (self == other).then_some(Ordering::Equal)
    }
}

impl UserDefinedLogicalNodeCore for WindowNode {
    fn name(&self) -> &str {
        "Window"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        std::iter::once(&self.time).chain(&self.partition).cloned().collect()
    }

    fn prevent_predicate_push_down_columns(&self) -> HashSet<String> {
        let all = matches!(self.kind, WindowKind::Session { .. });
        let names = self.schema.fields().iter().map(|field| field.name().clone());
        names.filter(|name| all || WINDOW_COLUMNS.contains(&name.as_str())).collect()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Window: {:?} of {}", self.kind, self.time)
    }

    fn with_exprs_and_inputs(&self, exprs: Vec<Expr>, inputs: Vec<LogicalPlan>) -> Result<Self> {
        let (mut exprs, mut inputs) = (exprs.into_iter(), inputs.into_iter());
        match (exprs.next(), inputs.next()) {
            (Some(time), Some(input)) => WindowNode::new(input, self.kind, time, exprs.collect(), self.place),
            _ => internal_err!("a window has an input and a time"),
        }
    }
}
