//! Walks the rows of an [`Input`] that count. Invariant: rows come in their order, each at most once.

use arrow_buffer::NullBuffer;

use super::Input;

/// Calls `visit(row, group, diff)` for each row that is kept and not NULL. The loop without NULLs, filter and diffs is
/// compiled apart: about as fast as a bare loop over the columns.
#[inline(always)]
pub(super) fn each(
    groups: &[u32],
    input: &Input<'_>,
    nulls: Option<&NullBuffer>,
    mut visit: impl FnMut(usize, usize, i64),
) {
    let nulls = nulls.filter(|nulls| nulls.null_count() > 0);
    let mask = match (nulls, input.keep) {
        (None, None) => None,
        (None, Some(keep)) => Some(keep.clone()),
        (Some(nulls), None) => Some(nulls.inner().clone()),
        (Some(nulls), Some(keep)) => Some(nulls.inner() & keep),
    };
    match (mask, input.diffs) {
        (None, None) => groups.iter().enumerate().for_each(|(row, &group)| visit(row, group as usize, 1)),
        (None, Some(diffs)) => {
            groups.iter().zip(diffs).enumerate().for_each(|(row, (&group, &diff))| visit(row, group as usize, diff));
        }
        (Some(mask), None) => mask.set_indices().for_each(|row| visit(row, groups[row] as usize, 1)),
        (Some(mask), Some(diffs)) => mask.set_indices().for_each(|row| visit(row, groups[row] as usize, diffs[row])),
    }
}
