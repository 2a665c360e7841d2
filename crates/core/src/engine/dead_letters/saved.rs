//! The dead letters of a view or sink, saved between two epochs and taken in again: those that are kept, and what is counted.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, UInt64Type};
use arrow_array::{ArrayRef, Int64Array, RecordBatch, RecordBatchOptions, StringArray, UInt32Array, UInt64Array};
use arrow_schema::{DataType, Field};

use super::{FailedFor, State, ToDeadLetters};
use crate::delta::{Unfit, failed_schema};
use crate::operator::{Saved, Saving, Section};
use crate::time::Epoch;

/// The places of the sections.
const KEPT: usize = 0;
const REASONS: usize = 1;

impl Saved for ToDeadLetters {
    fn sections(&self) -> Vec<Section> {
        let letter = || failed_schema().fields().iter().map(|field| field.as_ref().clone());
        let own = |name: &str, kind| Field::new(name, kind, false);
        let kept =
            [own("__watermark", DataType::Int64), own("__tick", DataType::UInt64), own("__count", DataType::Int64)];
        let reasons = [own("__rows", DataType::Int64), own("__count", DataType::Int64)];
        vec![
            Section::new("kept", 1, letter().chain(kept).collect(), Vec::new()),
            Section::new("reasons", 1, letter().chain(reasons).collect(), Vec::new()),
        ]
    }

    fn begin(&mut self) -> Saving {
        let (mut saving, sections, state) = (Saving::default(), Saved::sections(self), self.0.lock());
        let shown = self.0.codec.decode(state.kept.keys().map(|(_, row)| row.as_ref()));
        let own: [ArrayRef; 3] = [
            Arc::new(Int64Array::from_iter_values(state.kept.keys().map(|(epoch, _)| epoch.watermark))),
            Arc::new(UInt64Array::from_iter_values(state.kept.keys().map(|(epoch, _)| epoch.tick))),
            Arc::new(Int64Array::from_iter_values(state.kept.values().copied())),
        ];
        let columns = shown.columns().iter().cloned().chain(own).collect();
        saving.add((KEPT, &sections[KEPT]), columns, state.kept.len());
        let all = || state.by_reason.values();
        let text = |of: fn(&FailedFor) -> &str| Arc::new(StringArray::from_iter_values(all().map(of))) as ArrayRef;
        let columns: Vec<ArrayRef> = vec![
            Arc::new(UInt32Array::from_iter_values(all().map(|reason| reason.example.node as u32))),
            text(|reason| &reason.example.expression),
            text(|reason| &reason.example.reason),
            text(|reason| &reason.example.detail),
            text(|reason| &reason.example.content),
            Arc::new(Int64Array::from_iter_values(all().map(|reason| reason.rows))),
            Arc::new(Int64Array::from_iter_values(all().map(|reason| reason.example.count))),
        ];
        saving.add((REASONS, &sections[REASONS]), columns, state.by_reason.len());
        saving
    }

    fn take(&mut self, section: usize, rows: &RecordBatch) -> Result<(), Unfit> {
        let width = failed_schema().fields().len();
        let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
        let letters =
            RecordBatch::try_new_with_options(failed_schema().clone(), rows.columns()[..width].to_vec(), &options);
        let letters = letters.map_err(|_| Unfit::Value("a column of a dead letter is NULL that never is"))?;
        let numbers = |at: usize| rows.column(at).as_primitive::<Int64Type>();
        let mut state = self.0.lock();
        let State { kept, epochs, by_node, by_reason, .. } = &mut *state;
        if section == KEPT {
            let ticks = rows.column(width + 1).as_primitive::<UInt64Type>();
            for (row, bytes) in self.0.codec.bytes(&letters).into_iter().enumerate() {
                let epoch = Epoch { watermark: numbers(width).value(row), tick: ticks.value(row) };
                epochs.insert(bytes.clone(), epoch);
                kept.insert((epoch, bytes), numbers(width + 2).value(row));
            }
            return Ok(());
        }
        for row in 0..letters.num_rows() {
            let example = self.0.letter(&letters, row, numbers(width + 1).value(row));
            let (rows, node) = (numbers(width).value(row), example.node);
            *by_node.entry(node).or_insert(0) += rows;
            let key = (node, example.reason.clone(), example.expression.clone());
            by_reason.insert(key, FailedFor { rows, example });
        }
        by_node.retain(|_, rows| *rows != 0);
        self.0.present.set(by_node.values().sum());
        Ok(())
    }

    fn loaded(&mut self, cut: Epoch) {
        self.0.reached().as_of = cut;
    }
}
