//! Counts with their nouns, as messages show them: `1 row`, `2 rows`, `3 entries`.

use std::borrow::Cow;
use std::fmt::Display;

/// A count with its noun, which is given for one.
pub fn counted<N: Display + PartialEq + From<u8>>(count: N, noun: &str) -> String {
    let nouns = nouns(&count, noun);
    format!("{count} {nouns}")
}

/// The noun of a count.
pub fn nouns<'a, N: PartialEq + From<u8>>(count: &N, noun: &'a str) -> Cow<'a, str> {
    if *count == N::from(1) {
        return noun.into();
    }
    match noun.strip_suffix('y') {
        Some(stem) if !stem.ends_with(['a', 'e', 'i', 'o', 'u']) => format!("{stem}ies").into(),
        _ if noun.ends_with(['s', 'x', 'z']) => format!("{noun}es").into(),
        _ => format!("{noun}s").into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_noun_agrees_with_its_count() {
        assert_eq!([0_u64, 1, 2].map(|count| counted(count, "row")), ["0 rows", "1 row", "2 rows"]);
        assert_eq!([1_i32, -1].map(|count| counted(count, "try")), ["1 try", "-1 tries"]);
        assert_eq!(
            ["process", "day", "entry"].map(|noun| counted(3_usize, noun)),
            ["3 processes", "3 days", "3 entries"]
        );
    }
}
