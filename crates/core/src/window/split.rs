//! Splitting batches by slice or by window: no copy if a batch is of one, else one `take` that puts them side by side.
//! Or only saying which slice each row is in.

use arrow_array::UInt32Array;
use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMillisecondType;

use super::Window;
use crate::delta::Delta;

/// Which slice each time of a batch is in, counted from the first.
pub(super) struct Numbered {
    /// The start of the first slice.
    pub(super) first: i64,
    /// How many slices the times span.
    pub(super) slices: usize,
    /// By row; empty if there is one slice.
    pub(super) of: Vec<u32>,
}

/// Numbers the slices of these times; `None` if there are no times, or if they span over `most` slices.
pub(super) fn number(times: &[i64], window: &Window, most: usize) -> Option<Numbered> {
    let &any = times.first()?;
    if within(times, window.slice_start(any), window.slice_ms()) {
        return Some(Numbered { first: window.slice_start(any), slices: 1, of: Vec::new() });
    }
    let (least, last) = times.iter().fold((any, any), |(least, last), &time| (least.min(time), last.max(time)));
    let first = window.slice_start(least);
    let (size, span) = (window.slice_ms() as u64, last.wrapping_sub(first) as u64);
    let slices = (span / size) as usize + 1;
    if slices > most {
        return None;
    }
    // Most batches span two slices, or less than 2^32 ms, and a division of 32 bits costs a third.
    let of = match (u32::try_from(size), u32::try_from(span)) {
        _ if slices == 2 => times.iter().map(|time| u32::from(time.wrapping_sub(first) as u64 >= size)).collect(),
        (Ok(size), Ok(_)) => times.iter().map(|time| time.wrapping_sub(first) as u32 / size).collect(),
        _ => times.iter().map(|time| (time.wrapping_sub(first) as u64 / size) as u32).collect(),
    };
    Some(Numbered { first, slices, of })
}

/// The rows of each slice (by its start), starts ascending, rows in their order; `times` are theirs.
pub(super) fn by_slice(delta: &Delta, times: &[i64], window: &Window) -> Vec<(i64, Delta)> {
    let (slices, of) = match number(times, window, 4 * times.len()) {
        None => return sorted(delta, |row| window.slice_start(times[row])),
        Some(Numbered { slices: 1, first, .. }) => return vec![(first, delta.clone())],
        Some(Numbered { slices, of, .. }) => (slices, of),
    };
    // A counting sort.
    let mut next = vec![0u32; slices + 1];
    of.iter().for_each(|&slice| next[slice as usize + 1] += 1);
    (0..slices).for_each(|slice| next[slice + 1] += next[slice]);
    let starts = next.clone();
    let mut order = vec![0u32; times.len()];
    for (row, &slice) in of.iter().enumerate() {
        order[next[slice as usize] as usize] = row as u32;
        next[slice as usize] += 1;
    }
    let start = |slice: usize| window.slice_start(times[order[starts[slice] as usize] as usize]);
    let first: Vec<i64> =
        (0..slices).map(|slice| if starts[slice + 1] > starts[slice] { start(slice) } else { 0 }).collect();
    let sorted = delta.take(&UInt32Array::from(order));
    let filled = (0..slices).filter(|&slice| starts[slice + 1] > starts[slice]);
    let part = |slice: usize| sorted.slice(starts[slice] as usize, (starts[slice + 1] - starts[slice]) as usize);
    filled.map(|slice| (first[slice], part(slice))).collect()
}

/// The rows of each window `(end, start)`, ascending, the window being in the rows' columns. None may be NULL.
pub(super) fn by_window(delta: &Delta, start: usize, end: usize) -> Vec<((i64, i64), Delta)> {
    let (starts, ends) = (times(delta, start), times(delta, end));
    match (starts.first(), ends.first()) {
        (Some(&start), Some(&end)) if starts.iter().all(|s| *s == start) && ends.iter().all(|e| *e == end) => {
            vec![((end, start), delta.clone())]
        }
        _ => sorted(delta, |row| (ends[row], starts[row])),
    }
}

/// Whether all times are in `[start, start + size)`. A difference out of range has its highest bit set, or so has its
/// complement to the size; one pass without branches finds that out.
fn within(times: &[i64], start: i64, size: i64) -> bool {
    let outside = |time: &i64| {
        let after = time.wrapping_sub(start);
        after | (size - 1).wrapping_sub(after)
    };
    start.checked_add(size).is_some() && times.iter().fold(0, |all, time| all | outside(time)) >= 0
}

fn sorted<K: Ord + Copy>(delta: &Delta, key: impl Fn(usize) -> K) -> Vec<(K, Delta)> {
    let mut order: Vec<u32> = (0..delta.len() as u32).collect();
    order.sort_by_key(|&row| key(row as usize));
    let sorted = delta.take(&UInt32Array::from(order.clone()));
    let (mut parts, mut start) = (Vec::new(), 0);
    for run in order.chunk_by(|&a, &b| key(a as usize) == key(b as usize)) {
        parts.push((key(run[0] as usize), sorted.slice(start, run.len())));
        start += run.len();
    }
    parts
}

pub(super) fn times(delta: &Delta, column: usize) -> &[i64] {
    delta.batch().column(column).as_primitive::<TimestampMillisecondType>().values()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn within_a_slice() {
        let extremes = [i64::MIN, i64::MIN + 5, -1, 0, 1, 9, 10, 11, i64::MAX - 9, i64::MAX];
        for start in [i64::MIN, -10, 0, 1, i64::MAX - 10] {
            for (a, b) in extremes.iter().flat_map(|&a| extremes.map(|b| (a, b))) {
                let inside = |time: i64| start <= time && i128::from(time) < i128::from(start) + 10;
                assert_eq!(within(&[a, b], start, 10), inside(a) && inside(b), "{a} {b} from {start}");
            }
        }
    }
}
