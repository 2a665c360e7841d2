//! `UNNEST(array)` in FROM: from the parser's tree to a logical node over what stands before it.
//!
//! The parser has it as a join. The planner would plan the array without the columns before it, so [`gather`] puts both into
//! parentheses, and [`UnnestCalls`] plans those: what is before, then the array over its columns.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow_schema::{DataType, Field};
use datafusion_common::{DFSchema, DFSchemaRef, Result, TableReference, internal_err};
use datafusion_expr::planner::{PlannedRelation, RelationPlanner, RelationPlannerContext, RelationPlanning};
use datafusion_expr::{Expr, ExprSchemable, Extension, LogicalPlan, LogicalPlanBuilder, UserDefinedLogicalNodeCore};
use datafusion_sql::sqlparser::ast::{
    self, Join, JoinConstraint, JoinOperator, Select, Spanned, TableAlias, TableFactor, TableWithJoins,
};

use crate::functions::exact;
use crate::parse::error::Problem;
use crate::parse::error::placed;
use crate::parse::walk::{self, Flow, Part};
use highwater_core::counted::counted;
use highwater_core::plan::Shown;

/// Puts every UNNEST of a query into parentheses with what stands before it.
pub(crate) fn step(part: Part<'_>) -> Flow {
    match part {
        Part::Select(select) => walk::flow(gather(select)),
        _ => Flow::Continue(()),
    }
}

fn gather(select: &mut Select) -> Result<(), Problem> {
    let is_unnest = |factor: &TableFactor| matches!(factor, TableFactor::UNNEST { .. });
    // After a comma it is a cross join with what stands before.
    let mut at = 0;
    while at < select.from.len() {
        if !is_unnest(&select.from[at].relation) {
            at += 1;
            continue;
        }
        if at == 0 {
            // Of a literal, or of the row outside of a subquery.
            at += 1;
            continue;
        }
        let TableWithJoins { relation, joins } = select.from.remove(at);
        let before = &mut select.from[at - 1].joins;
        before.push(Join { relation, global: false, join_operator: JoinOperator::CrossJoin(JoinConstraint::None) });
        before.extend(joins);
    }
    for from in &mut select.from {
        while let Some(at) = from.joins.iter().position(|join| is_unnest(&join.relation)) {
            let behind = from.joins.split_off(at + 1);
            let unnest = from.joins.split_off(at);
            let before = nested(std::mem::replace(
                from,
                TableWithJoins { relation: unnest[0].relation.clone(), joins: Vec::new() },
            ));
            *from = TableWithJoins {
                relation: parenthesised(TableWithJoins { relation: before, joins: unnest }),
                joins: behind,
            };
        }
    }
    Ok(())
}

fn nested(table: TableWithJoins) -> TableFactor {
    if table.joins.is_empty() { table.relation } else { parenthesised(table) }
}

fn parenthesised(table: TableWithJoins) -> TableFactor {
    TableFactor::NestedJoin { table_with_joins: Box::new(table), alias: None }
}

/// Plans what [`gather`] has put together.
#[derive(Debug)]
pub(crate) struct UnnestCalls;

impl RelationPlanner for UnnestCalls {
    fn plan_relation(
        &self,
        relation: TableFactor,
        context: &mut dyn RelationPlannerContext,
    ) -> Result<RelationPlanning> {
        if matches!(relation, TableFactor::UNNEST { .. }) {
            let one = LogicalPlanBuilder::empty(true).build()?;
            let plan = items(context, one, relation, false)?;
            return Ok(RelationPlanning::Planned(Box::new(PlannedRelation::new(plan, None))));
        }
        let TableFactor::NestedJoin { table_with_joins, alias } = &relation else {
            return Ok(RelationPlanning::Original(Box::new(relation)));
        };
        let [Join { relation: TableFactor::UNNEST { .. }, .. }] = table_with_joins.joins.as_slice() else {
            return Ok(RelationPlanning::Original(Box::new(relation)));
        };
        let TableWithJoins { relation: before, joins } = table_with_joins.as_ref().clone();
        let Some(Join { relation: unnest, join_operator, .. }) = joins.into_iter().next() else {
            return internal_err!("a join was seen above");
        };
        let span = unnest.span();
        let refuse = |what: &str, hint: &str| Err(placed(Problem::at(span, what).hint(hint)));
        let (outer, condition) = match join_operator {
            JoinOperator::CrossJoin(_) => (false, None),
            JoinOperator::Join(JoinConstraint::On(on)) | JoinOperator::Inner(JoinConstraint::On(on)) => {
                (false, Some(on))
            }
            JoinOperator::Left(JoinConstraint::On(on)) | JoinOperator::LeftOuter(JoinConstraint::On(on)) => {
                (true, Some(on))
            }
            _ => {
                return refuse(
                    "UNNEST is joined CROSS, or LEFT JOIN ... ON TRUE",
                    "write FROM t CROSS JOIN UNNEST(t.items) AS u (item)",
                );
            }
        };
        let certain =
            |on: &ast::Expr| matches!(on, ast::Expr::Value(value) if value.value == ast::Value::Boolean(true));
        let condition = condition.filter(|on| !certain(on));
        if outer && condition.is_some() {
            return refuse(
                "of LEFT JOIN UNNEST(...) the condition is TRUE",
                "write ON TRUE, and the condition in WHERE",
            );
        }
        let input = context.plan(before)?;
        let mut plan = items(context, input, unnest, outer)?;
        if let Some(condition) = condition {
            let condition = context.sql_to_expr(condition, plan.schema())?;
            plan = LogicalPlanBuilder::from(plan).filter(condition)?.build()?;
        }
        Ok(RelationPlanning::Planned(Box::new(PlannedRelation::new(plan, alias.clone()))))
    }
}

/// The items of the array of an UNNEST, for each row of `input`.
fn items(
    context: &mut dyn RelationPlannerContext,
    input: LogicalPlan,
    unnest: TableFactor,
    outer: bool,
) -> Result<LogicalPlan> {
    let span = unnest.span();
    let TableFactor::UNNEST { alias: named, array_exprs, with_ordinality, .. } = unnest else {
        return internal_err!("an UNNEST was seen above");
    };
    let [array] = array_exprs.as_slice() else {
        let problem = Problem::at(span, "UNNEST takes one array");
        return Err(placed(problem.hint("write UNNEST(a) AS u (x) CROSS JOIN UNNEST(b) AS v (y)")));
    };
    let array_span = array.span();
    // A CASE in it is of the type of all its branches already, as it will be.
    let items = exact::branches(context.sql_to_expr(array.clone(), input.schema())?, input.schema())?;
    let columns = columns_of(&items.get_type(input.schema())?, named.as_ref(), with_ordinality);
    let columns = columns.map_err(|(what, hint)| {
        let span = if array_span.start.line == 0 { span } else { array_span };
        placed(Problem::at(span, what).hint(hint))
    })?;
    let qualifier = named.map(|alias| TableReference::bare(alias.name.value));
    let node = UnnestNode::new(input, items, qualifier, columns, outer)?;
    Ok(LogicalPlan::Extension(Extension { node: Arc::new(node) }))
}

/// The columns that an array gives, by name, what they show, and type.
type Columns = Vec<(String, Shown, DataType)>;

fn columns_of(
    data_type: &DataType,
    alias: Option<&TableAlias>,
    with_ordinality: bool,
) -> std::result::Result<Columns, (String, String)> {
    let mut columns: Columns = match data_type {
        DataType::List(item) => match item.data_type() {
            DataType::Struct(fields) => {
                let field = |(at, field): (usize, &Arc<Field>)| {
                    (field.name().clone(), Shown::Field(at), field.data_type().clone())
                };
                fields.iter().enumerate().map(field).collect()
            }
            item => {
                let name = alias.map_or_else(|| "unnest".to_owned(), |alias| alias.name.value.clone());
                vec![(name, Shown::Item, item.clone())]
            }
        },
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(fields) => {
                let field =
                    |at: usize| (["key", "value"][at].to_owned(), Shown::Field(at), fields[at].data_type().clone());
                vec![field(0), field(1)]
            }
            _ => Vec::new(),
        },
        other => {
            let what = format!(
                "UNNEST takes an array or a map, and this is of type {}",
                highwater_core::plan::sql_type(other)
            );
            return Err((what, "SPLIT(text, ',') makes an array of text".to_owned()));
        }
    };
    if with_ordinality {
        columns.push(("ordinality".to_owned(), Shown::Ordinal, DataType::Int64));
    }
    if let Some(alias) = alias.filter(|alias| !alias.columns.is_empty()) {
        if alias.columns.len() != columns.len() {
            let names: Vec<&str> = columns.iter().map(|(name, ..)| name.as_str()).collect();
            let what = format!(
                "UNNEST gives {} here, and its alias names {}",
                counted(columns.len(), "column"),
                alias.columns.len()
            );
            return Err((what, format!("they are {}", names.join(", "))));
        }
        for (column, name) in columns.iter_mut().zip(&alias.columns) {
            column.0 = name.name.value.clone();
        }
    }
    Ok(columns)
}

/// Rows of the input, once per item of an array.
#[derive(Clone, Debug)]
pub(crate) struct UnnestNode {
    pub(crate) input: LogicalPlan,
    /// The array.
    pub(crate) items: Expr,
    /// What is shown of an item.
    pub(crate) shown: Vec<Shown>,
    pub(crate) outer: bool,
    schema: DFSchemaRef,
}

impl UnnestNode {
    fn new(
        input: LogicalPlan,
        items: Expr,
        qualifier: Option<TableReference>,
        columns: Columns,
        outer: bool,
    ) -> Result<UnnestNode> {
        let shown = columns.iter().map(|(_, shown, _)| *shown).collect();
        let own = columns.into_iter().map(|(name, _, t)| (qualifier.clone(), Arc::new(Field::new(name, t, true))));
        UnnestNode::with(input, items, shown, own.collect(), outer)
    }

    fn with(
        input: LogicalPlan,
        items: Expr,
        shown: Vec<Shown>,
        own: Vec<(Option<TableReference>, Arc<Field>)>,
        outer: bool,
    ) -> Result<UnnestNode> {
        let passed = input.schema().iter().map(|(qualifier, field)| (qualifier.cloned(), Arc::clone(field)));
        let schema = DFSchema::new_with_metadata(passed.chain(own).collect(), Default::default())?;
        Ok(UnnestNode { input, items, shown, outer, schema: Arc::new(schema) })
    }

    /// The names and types of the columns of its own.
    pub(crate) fn schema_of_items(&self) -> Vec<(String, DataType)> {
        self.own().into_iter().map(|(_, field)| (field.name().clone(), field.data_type().clone())).collect()
    }

    /// The columns of its own, behind those of the input.
    fn own(&self) -> Vec<(Option<TableReference>, Arc<Field>)> {
        let own = self.schema.iter().skip(self.input.schema().fields().len());
        own.map(|(qualifier, field)| (qualifier.cloned(), Arc::clone(field))).collect()
    }
}

impl PartialEq for UnnestNode {
    fn eq(&self, other: &Self) -> bool {
        (&self.input, &self.items, &self.shown, self.outer, &self.schema)
            == (&other.input, &other.items, &other.shown, other.outer, &other.schema)
    }
}

impl Eq for UnnestNode {}

impl Hash for UnnestNode {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.input, &self.items, self.outer).hash(state);
    }
}

impl PartialOrd for UnnestNode {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        (self == other).then_some(Ordering::Equal)
    }
}

impl UserDefinedLogicalNodeCore for UnnestNode {
    fn name(&self) -> &str {
        "Unnest"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        vec![self.items.clone()]
    }

    fn prevent_predicate_push_down_columns(&self) -> HashSet<String> {
        self.own().into_iter().map(|(_, field)| field.name().clone()).collect()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Unnest: {}", self.items)
    }

    fn with_exprs_and_inputs(&self, exprs: Vec<Expr>, inputs: Vec<LogicalPlan>) -> Result<Self> {
        match (exprs.into_iter().next(), inputs.into_iter().next()) {
            (Some(items), Some(input)) => UnnestNode::with(input, items, self.shown.clone(), self.own(), self.outer),
            _ => internal_err!("an UNNEST has an input and an array"),
        }
    }
}
