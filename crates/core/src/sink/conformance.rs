//! What a sink promises of its output over restarts (M1 to M3 in docs/internals/positions.md): a run that is cut off anywhere, begins
//! again and is handed again what it wrote, leaves what a run leaves that was never cut off.

#![allow(clippy::unwrap_used)]

use std::fmt::Debug;

use arrow_array::{ArrayRef, RecordBatch, new_null_array};

use super::{Before, SinkSpec, Writer};
use crate::delta::Delta;
use crate::format::read_value;
use crate::time::{Epoch, Zone};

/// Epochs of a run.
const EPOCHS: usize = 9;

/// Cuts a sink off behind every epoch, before and after what it has was written out, and goes on with it in two ways; `spec` is of a sink
/// whose output has that name, and `output` reads it. Returns how many times it was cut off.
///
/// # Panics
/// The output is another one than that of a run that was not cut off.
pub fn check<T: PartialEq + Debug>(spec: impl Fn(&str) -> SinkSpec, output: impl Fn(&str) -> T) -> usize {
    let mut cuts = 0;
    for retracting in [false, true] {
        let named = |run: &str| SinkSpec { retracting, ..spec(run) };
        let whole = format!("whole-{retracting}");
        let of = named(&whole);
        if let Err(refused) = of.connector.check(&of) {
            // It may say that it takes rows that stay alone.
            assert!(retracting, "{refused}");
            continue;
        }
        let mut writer = of.connector.kept(&of, 0, 1, Before::default()).unwrap();
        writer.begin().unwrap();
        (0..EPOCHS).for_each(|epoch| hand(&mut *writer, &of, epoch));
        writer.close().unwrap();
        drop(writer);
        let expected = output(&whole);
        for (cut, flushed) in (0..=EPOCHS).flat_map(|cut| [(cut, true), (cut, false)]) {
            for stopped in [false, true] {
                let run = format!("cut-{retracting}-{cut}-{flushed}-{stopped}");
                let of = named(&run);
                let mut writer = of.connector.kept(&of, 0, 1, Before::default()).unwrap();
                writer.begin().unwrap();
                (0..cut).for_each(|epoch| hand(&mut *writer, &of, epoch));
                if flushed {
                    writer.flush().unwrap();
                }
                if stopped {
                    writer.pause(true).unwrap();
                }
                // Cut off: it is neither flushed nor closed.
                drop(writer);
                let before = Before { begun: true, by_clock: true, ..Before::default() };
                let mut writer = of.connector.kept(&of, 0, 1, before).unwrap();
                writer.begin().unwrap();
                for epoch in 0..EPOCHS {
                    hand(&mut *writer, &of, epoch);
                    if epoch + 1 == cut {
                        writer.flush().unwrap();
                        writer.caught_up().unwrap();
                    }
                }
                writer.close().unwrap();
                drop(writer);
                let how = if stopped { "stopped" } else { "cut off" };
                assert_eq!(
                    output(&run),
                    expected,
                    "{how} behind {cut} epochs, written out: {flushed}, rows taken back: {retracting}"
                );
                cuts += 1;
            }
        }
    }
    cuts
}

/// Hands an epoch over, as the engine does: every third is without changes.
fn hand(writer: &mut dyn Writer, spec: &SinkSpec, epoch: usize) {
    let at = Epoch::at(epoch as i64 * 10);
    match epoch % 3 == 2 {
        true => writer.pass(at),
        false => writer.write(at, &changes(spec, epoch)).unwrap(),
    }
}

/// The changes of an epoch: a row that came, twice in some; where rows may be taken back one that went.
fn changes(spec: &SinkSpec, epoch: usize) -> Delta {
    let rows = if spec.retracting && epoch > 0 { vec![epoch - 1, epoch] } else { vec![epoch] };
    let column = |field: &arrow_schema::FieldRef| -> ArrayRef {
        let value = |row: usize| {
            let texts = [(row + 1).to_string(), "2026-01-01 00:00:00".to_owned(), "true".to_owned()];
            let fits = texts.iter().find_map(|text| read_value(text, field.data_type(), Zone::utc()));
            fits.unwrap_or_else(|| new_null_array(field.data_type(), 1))
        };
        let values: Vec<ArrayRef> = rows.iter().map(|row| value(*row)).collect();
        let values: Vec<&dyn arrow_array::Array> = values.iter().map(|value| value.as_ref()).collect();
        arrow_select::concat::concat(&values).unwrap()
    };
    let batch = RecordBatch::try_new(spec.schema.clone(), spec.schema.fields().iter().map(column).collect()).unwrap();
    let came = if epoch.is_multiple_of(4) { 2 } else { 1 };
    let diffs: Vec<i64> = if rows.len() == 2 { vec![-1, came] } else { vec![came] };
    Delta::new(batch, Some(diffs.into()))
}
