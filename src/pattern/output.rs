//! Picks as columns: of rows that are tried, and of matches that are shown.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{ArrayRef, Int64Array, RecordBatch, RecordBatchOptions, StringArray};
use arrow_cast::cast;
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use datafusion_common::DataFusionError;
use datafusion_physical_expr::PhysicalExpr;

use super::store::{At, Store};
use super::{Condition, Pick, PickAggregate, Variable};
use crate::aggregate::{Call, Input, accumulator};
use crate::delta::Rejects;

/// A row for which picks are computed.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    /// The rows of the match up to it.
    pub(super) rows: &'a [(At, u8)],
    /// The rows that the column picks mean, in their order.
    pub(super) picked: &'a [Option<At>],
    /// The number of the match.
    pub(super) number: i64,
}

/// The picks as columns, a row each view.
pub(super) fn columns(store: &Store, variables: &[Variable], picks: &[Pick], views: &[View<'_>]) -> Vec<ArrayRef> {
    let mut nth = 0;
    let column = |pick: &Pick| -> ArrayRef {
        match pick {
            Pick::Column { column, .. } => {
                let rows: Vec<Option<At>> = views.iter().map(|view| view.picked[nth]).collect();
                nth += 1;
                store.gather(*column, &rows)
            }
            Pick::Aggregate(aggregate) => aggregated(store, aggregate, views),
            Pick::Classifier => {
                let name = |view: &View<'_>| view.rows.last().map(|(_, variable)| &variables[*variable as usize].name);
                Arc::new(views.iter().map(name).collect::<StringArray>())
            }
            Pick::MatchNumber => Arc::new(Int64Array::from_iter_values(views.iter().map(|view| view.number))),
        }
    };
    picks.iter().map(column).collect()
}

fn aggregated(store: &Store, aggregate: &PickAggregate, views: &[View<'_>]) -> ArrayRef {
    let (mut groups, mut rows) = (Vec::new(), Vec::new());
    for (group, view) in views.iter().enumerate() {
        let of = |variable: u8| aggregate.variables.is_none_or(|wanted| wanted >> variable & 1 == 1);
        for (at, _) in view.rows.iter().filter(|(_, variable)| of(*variable)) {
            groups.push(group as u32);
            rows.push(Some(*at));
        }
    }
    let args: Vec<ArrayRef> = aggregate.args.iter().map(|&arg| store.gather(arg, &rows)).collect();
    let call = Call {
        args: args.iter().map(|arg| arg.data_type().clone()).collect(),
        literals: aggregate.literals.clone(),
        output: aggregate.output.clone(),
        order: Vec::new(),
        distinct: aggregate.distinct,
        retracting: false,
    };
    let mut states = accumulator(aggregate.function, &call);
    states.resize(views.len());
    states.update(&groups, &Input { args: &args, order: &[], keep: None, diffs: None });
    states.evaluate(&(0..views.len() as u32).collect::<Vec<_>>())
}

/// The condition of a variable with the columns that it reads.
#[derive(Debug)]
pub(super) struct Judge {
    pub(super) picks: Vec<Pick>,
    /// Whether it looks at the rows of the match, not only at those that its columns mean.
    pub(super) reads_rows: bool,
    holds: Arc<dyn PhysicalExpr>,
    schema: SchemaRef,
}

impl Judge {
    /// `types` are those of the store's columns.
    pub(super) fn new(condition: &Condition, types: &[DataType]) -> Judge {
        let data_type = |pick: &Pick| match pick {
            Pick::Column { column, .. } => types[*column].clone(),
            Pick::Aggregate(aggregate) => aggregate.output.clone(),
            Pick::Classifier => DataType::Utf8,
            Pick::MatchNumber => DataType::Int64,
        };
        let fields: Vec<Field> = condition.picks.iter().map(|pick| Field::new("pick", data_type(pick), true)).collect();
        let (picks, holds) = (condition.picks.clone(), Arc::clone(&condition.holds));
        let reads_rows = picks.iter().any(|pick| matches!(pick, Pick::Aggregate(_) | Pick::Classifier));
        Judge { picks, reads_rows, holds, schema: Arc::new(Schema::new(fields)) }
    }

    /// For which rows it holds; a row on which it fails becomes a dead letter, and it does not hold.
    pub(super) fn judge(
        &self,
        store: &Store,
        variables: &[Variable],
        views: &[View<'_>],
        dead: (&Rejects, &str),
    ) -> Vec<bool> {
        let options = RecordBatchOptions::new().with_row_count(Some(views.len()));
        let columns = columns(store, variables, &self.picks, views);
        match RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options) {
            Ok(batch) => self.holds(&batch, dead),
            Err(error) => unreachable!("the picks have the planned types: {error}"),
        }
    }

    fn holds(&self, batch: &RecordBatch, dead: (&Rejects, &str)) -> Vec<bool> {
        match self.evaluate(batch) {
            Ok(holds) => holds,
            Err(_) if batch.num_rows() > 1 => {
                let middle = batch.num_rows() / 2;
                let mut holds = self.holds(&batch.slice(0, middle), dead);
                holds.extend(self.holds(&batch.slice(middle, batch.num_rows() - middle), dead));
                holds
            }
            Err(error) => {
                dead.0.row(dead.1, "evaluation", &error.strip_backtrace(), batch, 0);
                vec![false; batch.num_rows()]
            }
        }
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<Vec<bool>, DataFusionError> {
        let holds = cast(&self.holds.evaluate(batch)?.into_array(batch.num_rows())?, &DataType::Boolean)?;
        Ok(holds.as_boolean().iter().map(|holds| holds == Some(true)).collect())
    }
}
