//! Evaluation that goes on past the rows on which it fails.

use std::ops::Range;

use arrow_array::cast::AsArray;
use arrow_array::{Array, BooleanArray, RecordBatch};
use arrow_schema::DataType;
use datafusion_common::DataFusionError;

use super::Scalar;
use crate::guard::guarded_by;

/// What `step` makes of ranges of rows that together are those of `rows` on which it does not fail, in their order. For a row on
/// which it fails, `failed` says what stands in, if anything does.
pub fn halving<T>(
    rows: Range<usize>,
    step: &dyn Fn(Range<usize>) -> Result<T, DataFusionError>,
    failed: &mut dyn FnMut(usize) -> Option<T>,
) -> Vec<T> {
    let (mut passed, mut open) = (Vec::new(), vec![rows]);
    while let Some(rows) = open.pop() {
        match computed(|| step(rows.clone())) {
            Ok(done) => passed.push(done),
            // Halves, not single rows: a few bad rows cost a few passes, not one per row.
            Err(_) if rows.len() > 1 => {
                let middle = rows.start + rows.len() / 2;
                open.push(middle..rows.end);
                open.push(rows.start..middle);
            }
            // What fails without rows concerns none.
            Err(_) if rows.is_empty() => {}
            Err(_) => passed.extend(failed(rows.start)),
        }
    }
    passed
}

/// What `compute` returns. A function that panics fails: several do over texts that together are longer than a column of texts can
/// be, which fewer rows at a time are not; those of embedders over whatever they did not think of.
pub fn computed<T>(compute: impl FnOnce() -> Result<T, DataFusionError>) -> Result<T, DataFusionError> {
    let told = |message: &str| match message.to_lowercase().contains("overflow") {
        true => "the result takes more than 2 GiB".to_owned(),
        false => format!("it panicked: {message}"),
    };
    guarded_by(compute, |message| DataFusionError::Execution(told(message)))
}

/// For each row whether a condition is true; NULL where it is neither true nor false.
pub fn truth(condition: &Scalar, batch: &RecordBatch) -> Result<BooleanArray, DataFusionError> {
    let holds = condition.evaluate(batch)?.into_array(batch.num_rows())?;
    match holds.data_type() {
        DataType::Boolean => Ok(holds.as_boolean().clone()),
        _ => Ok(arrow_cast::cast(&holds, &DataType::Boolean)?.as_boolean().clone()),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn rows_that_fail_stand_alone_and_the_others_stay_in_order() {
        let passes = Cell::new(0);
        let step = |rows: Range<usize>| {
            passes.set(passes.get() + 1);
            match rows.contains(&700) || rows.contains(&3) {
                true => Err(DataFusionError::Execution("no".to_owned())),
                false => Ok(rows.collect::<Vec<_>>()),
            }
        };
        let mut failed = Vec::new();
        let passed = halving(0..1000, &step, &mut |row| {
            failed.push(row);
            (row == 3).then(|| vec![1003])
        });
        let expected: Vec<usize> =
            (0..1000).filter(|row| *row != 700).map(|row| if row == 3 { 1003 } else { row }).collect();
        assert_eq!((failed, passed.concat()), (vec![3, 700], expected));
        assert!(passes.get() < 50, "{} passes", passes.get());
        let never = |_| Err(DataFusionError::Execution("no".to_owned()));
        let nothing: Vec<()> = halving(0..0, &never, &mut |row| panic!("there is no row {row}"));
        assert!(nothing.is_empty());
    }
    /// As functions of others do where texts are longer together than a column of texts can be.
    #[test]
    fn what_panics_over_many_rows_is_tried_over_fewer() {
        let step = |rows: Range<usize>| match rows.len() > 10 {
            true => std::panic::resume_unwind(Box::new("offset overflow")),
            false => Ok(rows.collect::<Vec<_>>()),
        };
        let passed = halving(0..100, &step, &mut |row| panic!("row {row} alone passes"));
        assert_eq!(passed.concat(), (0..100).collect::<Vec<_>>());
    }
}
