//! The windows and sessions that an operator holds rows of, as it tells them.

/// Windows, or sessions, that are open. Times in ms.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Windows {
    /// How many, about.
    pub count: usize,
    /// `(start, end)` of each, by end; empty if they are more than [`Windows::TOLD`].
    pub spans: Vec<(i64, i64)>,
    /// The least start and the greatest end; `None` if there is none, or if they are too many to look at.
    pub reach: Option<(i64, i64)>,
    /// Whether every key has its own (sessions): those of several workers are different ones.
    pub by_key: bool,
}

impl Windows {
    /// More are not told one by one.
    pub const TOLD: usize = 32;
    /// Of more sessions the times are not looked at.
    pub const LOOKED_AT: usize = 4096;

    /// Of all that there are; they are looked at one by one.
    pub fn of(spans: impl Iterator<Item = (i64, i64)>, by_key: bool) -> Windows {
        let mut all = Windows { by_key, ..Windows::default() };
        for (start, end) in spans {
            all.count += 1;
            all.spans.push((start, end));
            all.spans.truncate(Windows::TOLD + 1);
            let (from, to) = all.reach.unwrap_or((start, end));
            all.reach = Some((from.min(start), to.max(end)));
        }
        if all.count > Windows::TOLD {
            all.spans.clear();
        }
        all.spans.sort_by_key(|(start, end)| (*end, *start));
        all
    }

    /// Those of another worker as well.
    pub fn merge(self, other: &Windows) -> Windows {
        let whole = self.spans.len() == self.count && other.spans.len() == other.count;
        let mut spans = self.spans;
        spans.extend(&other.spans);
        spans.sort_by_key(|(start, end)| (*end, *start));
        if !self.by_key {
            spans.dedup();
        }
        let reach = match (self.reach, other.reach) {
            (Some((a, b)), Some((c, d))) => Some((a.min(c), b.max(d))),
            (one, other) => one.or(other),
        };
        let count = match (self.by_key, whole) {
            (true, _) => self.count + other.count,
            (false, true) => spans.len(),
            (false, false) => self.count.max(other.count),
        };
        if !whole || count > Windows::TOLD {
            spans.clear();
        }
        Windows { count, spans, reach, by_key: self.by_key }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_of_workers_are_the_same_and_sessions_are_not() {
        let of = |spans: &[(i64, i64)], by_key| Windows::of(spans.iter().copied(), by_key);
        let (left, right) = ([(0, 10), (10, 20)], [(10, 20), (20, 30)]);
        let all = of(&left, false).merge(&of(&right, false));
        assert_eq!((all.count, all.spans, all.reach), (3, vec![(0, 10), (10, 20), (20, 30)], Some((0, 30))));
        assert_eq!(of(&left, true).merge(&of(&right, true)).count, 4);
        let many: Vec<(i64, i64)> = (0..100).map(|at| (at, at + 5)).collect();
        let many = of(&many, false);
        assert_eq!((many.count, many.spans.len(), many.reach), (100, 0, Some((0, 104))));
        let all = many.merge(&of(&left, false));
        assert_eq!((all.count, all.spans.len(), all.reach), (100, 0, Some((0, 104))));
        assert_eq!(Windows::of(std::iter::empty(), false), Windows::default());
    }
}
