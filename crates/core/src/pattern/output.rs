//! Picks as columns: of rows that are tried, and of matches that are shown.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray, Int64Array, RecordBatch, RecordBatchOptions, StringArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef};

use super::store::{At, Store};
use super::{Condition, Pattern, Pick, PickAggregate, Variable};
use crate::aggregate::{Call, Input, accumulator_of};
use crate::delta::Failure;
use crate::expression::{Scalar, failure, halving, named, truth};

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

/// A pick as SQL writes it.
fn name(pick: &Pick, stored: &SchemaRef, variables: &[Variable]) -> String {
    let of = |bits: &Option<u64>| {
        let mut of = variables.iter().enumerate().filter(|(at, _)| bits.is_some_and(|bits| bits == 1 << at));
        of.next().map_or_else(String::new, |(_, variable)| format!("{}.", variable.name))
    };
    match pick {
        Pick::Column { place, column } => {
            let column = format!("{}{}", of(&place.variables), stored.field(*column).name());
            match (place.first, place.skip, place.offset) {
                (true, 0, _) => format!("FIRST({column})"),
                (true, skip, _) => format!("FIRST({column}, {skip})"),
                (false, 0, 0) => column,
                (false, 0, offset) if offset < 0 => format!("PREV({column}, {})", -offset),
                (false, 0, offset) => format!("NEXT({column}, {offset})"),
                (false, skip, _) => format!("LAST({column}, {skip})"),
            }
        }
        Pick::Aggregate(aggregate) => {
            let args: Vec<String> = aggregate.args.iter().map(|&arg| stored.field(arg).name().clone()).collect();
            let args = if args.is_empty() { "*".to_owned() } else { args.join(", ") };
            format!("{}({}{args})", aggregate.function.name(), of(&aggregate.variables))
        }
        Pick::Classifier => "CLASSIFIER()".to_owned(),
        Pick::MatchNumber => "MATCH_NUMBER()".to_owned(),
    }
}

impl Pattern {
    /// What is shown of a match, as SQL writes it; `input` are the columns of its rows.
    pub fn pick_names(&self, input: &SchemaRef) -> Vec<String> {
        self.picks.iter().map(|pick| name(pick, input, &self.variables)).collect()
    }
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
    let mut states = accumulator_of(&aggregate.function, &call);
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
    holds: Scalar,
    schema: SchemaRef,
}

impl Judge {
    /// `stored` are the store's columns.
    pub(super) fn new(condition: &Condition, stored: &SchemaRef, variables: &[Variable]) -> Judge {
        let data_type = |pick: &Pick| match pick {
            Pick::Column { column, .. } => stored.field(*column).data_type().clone(),
            Pick::Aggregate(aggregate) => aggregate.output.clone(),
            Pick::Classifier => DataType::Utf8,
            Pick::MatchNumber => DataType::Int64,
        };
        let names: Vec<String> = condition.picks.iter().map(|pick| name(pick, stored, variables)).collect();
        let fields = condition.picks.iter().zip(&names).map(|(pick, name)| Field::new(name, data_type(pick), true));
        let fields: Vec<Field> = fields.collect();
        let holds = named(&condition.holds, &|index| names.get(index).cloned());
        let picks = condition.picks.clone();
        let reads_rows = picks.iter().any(|pick| matches!(pick, Pick::Aggregate(_) | Pick::Classifier));
        Judge { picks, reads_rows, holds, schema: Arc::new(Schema::new(fields)) }
    }

    /// For which rows it holds; of a row on which it fails `failed` is told, and it does not hold.
    pub(super) fn judge(
        &self,
        store: &Store,
        variables: &[Variable],
        views: &[View<'_>],
        failed: &mut dyn FnMut(usize, Failure),
    ) -> Vec<bool> {
        let options = RecordBatchOptions::new().with_row_count(Some(views.len()));
        let columns = columns(store, variables, &self.picks, views);
        let batch = match RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options) {
            Ok(batch) => batch,
            Err(error) => unreachable!("the picks have the planned types: {error}"),
        };
        let step = |rows: Range<usize>| truth(&self.holds, &batch.slice(rows.start, rows.len()));
        let parts = halving(0..views.len(), &step, &mut |row| {
            failed(row, failure([&self.holds], &batch.slice(row, 1)));
            Some(BooleanArray::from(vec![false]))
        });
        parts.iter().flat_map(|part| part.iter().map(|holds| holds == Some(true))).collect()
    }
}
