//! Assigning windows to rows: every row once per window that it is in, with the window's columns added. By the clocks of a zone
//! days have 23 to 25 hours; the columns are instants all the same.
//!
//! Output batches have at most [`ROWS`] rows, however many windows a row is in.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMillisecondType;
use arrow_array::{Array, ArrayRef, RecordBatch, TimestampMillisecondArray, UInt32Array};
use arrow_schema::SchemaRef;

use super::Window;
use crate::delta::Delta;
use crate::time::Zone;

/// Most rows of an output batch, unless the input batch is larger and not multiplied.
const ROWS: usize = 8192;

/// The rows of `input` with `window_start`, `window_end` and `window_time` added, under `schema`; and which rows have no
/// time and so are in no window.
pub fn assign(
    input: &Delta,
    time: usize,
    (window, zone): (&Window, Option<Zone>),
    schema: &SchemaRef,
) -> (Vec<Delta>, Vec<usize>) {
    let times = input.batch().column(time).as_primitive::<TimestampMillisecondType>();
    let timeless: Vec<usize> = match times.null_count() {
        0 => Vec::new(),
        _ => (0..times.len()).filter(|&row| times.is_null(row)).collect(),
    };
    if let (Window::Tumble { .. }, [], None) = (window, &timeless[..], zone) {
        let windows = times.values().iter().flat_map(|&time| window.over(time));
        let (starts, ends) = windows.unzip();
        return (vec![with_windows(input.clone(), starts, ends, schema)], timeless);
    }
    let (mut deltas, mut rows, mut starts, mut ends) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (row, time) in times.iter().enumerate() {
        let Some(time) = time else { continue };
        let mut put = |(start, end): (i64, i64)| {
            rows.push(row as u32);
            starts.push(start);
            ends.push(end);
            if rows.len() == ROWS {
                let rows = UInt32Array::from(std::mem::take(&mut rows));
                deltas.push(with_windows(
                    input.take(&rows),
                    std::mem::take(&mut starts),
                    std::mem::take(&mut ends),
                    schema,
                ));
            }
        };
        match zone {
            None => window.over(time).for_each(&mut put),
            Some(zone) => window.over_in(time, zone).for_each(&mut put),
        }
    }
    if !rows.is_empty() {
        deltas.push(with_windows(input.take(&UInt32Array::from(rows)), starts, ends, schema));
    }
    (deltas, timeless)
}

fn with_windows(rows: Delta, starts: Vec<i64>, ends: Vec<i64>, schema: &SchemaRef) -> Delta {
    let times: Vec<i64> = ends.iter().map(|end| end.saturating_sub(1)).collect();
    let mut columns = rows.batch().columns().to_vec();
    let columns_before = columns.len();
    let of_type = |times: Vec<i64>| {
        let kind = schema.field(columns_before).data_type().clone();
        Arc::new(TimestampMillisecondArray::from(times).with_data_type(kind)) as ArrayRef
    };
    columns.extend([starts, ends, times].map(of_type));
    match RecordBatch::try_new(schema.clone(), columns) {
        Ok(batch) => rows.with_batch(batch),
        Err(error) => unreachable!("a window node has the columns of its input and three more: {error}"),
    }
}
