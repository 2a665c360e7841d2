//! The order of files: by path, the numbers in it by their value, and the end of a name before what goes on with it, so that
//! `part-0.json`, `part-0-2.json`, `part-0-10.json` follow each other as they were written.

use std::cmp::Ordering;
use std::path::Path;

/// Compares two paths, folder by folder.
pub(super) fn by_number(one: &Path, other: &Path) -> Ordering {
    let names = |path: &Path| path.components().map(|part| part.as_os_str().to_owned()).collect::<Vec<_>>();
    let (ones, others) = (names(one), names(other));
    let pairs = ones.iter().zip(&others);
    let mut orders = pairs.map(|(one, other)| names_by_number(one.as_encoded_bytes(), other.as_encoded_bytes()));
    let first = orders.find(|order| order.is_ne()).unwrap_or(Ordering::Equal);
    // Numbers that differ in their zeros alone.
    first.then(ones.len().cmp(&others.len())).then_with(|| one.cmp(other))
}

fn names_by_number(mut one: &[u8], mut other: &[u8]) -> Ordering {
    // A point ends the stem of a name.
    let rank = |byte: u8| if byte == b'.' { 0 } else { u16::from(byte) + 1 };
    loop {
        let (Some(&a), Some(&b)) = (one.first(), other.first()) else { return one.len().cmp(&other.len()) };
        let order = if a.is_ascii_digit() && b.is_ascii_digit() {
            let ((a, behind), (b, behind_other)) = (number(one), number(other));
            (one, other) = (behind, behind_other);
            a.len().cmp(&b.len()).then(a.cmp(b))
        } else {
            (one, other) = (&one[1..], &other[1..]);
            rank(a).cmp(&rank(b))
        };
        if order.is_ne() {
            return order;
        }
    }
}

/// Of the digits that a text begins with those that count, and what is behind them.
fn number(text: &[u8]) -> (&[u8], &[u8]) {
    let (digits, behind) = text.split_at(text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len()));
    (&digits[digits.iter().position(|digit| *digit != b'0').unwrap_or(digits.len())..], behind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_names_count_by_their_value() {
        let sorted = [
            "a/9.json",
            "a/010.json",
            "a/10.json",
            "a/part-0.json",
            "a/part-0-1.json",
            "a/part-0-2.json",
            "a/part-0-10.json",
            "a/part-1.json",
            "a/part-10.json",
            "a.json",
            "b",
            "b.csv",
            "changes-99999999999999999999999.json",
            "changes-100000000000000000000000.json",
            "k=2/a.json",
            "k=10/a.json",
        ];
        for (at, one) in sorted.iter().enumerate() {
            for (behind, other) in sorted.iter().enumerate() {
                assert_eq!(by_number(Path::new(one), Path::new(other)), at.cmp(&behind), "{one} {other}");
            }
        }
    }
}
