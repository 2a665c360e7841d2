//! The rows that a source could not take: the last of them, and how many there are for each kind of reason, with an example.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::dead_file::DeadFile;
use crate::delta::Reject;

/// Kinds that are told apart; rows of further ones are counted with the last.
const MOST_KINDS: usize = 64;

/// Rows that were not taken for one kind of reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RejectedFor {
    /// How many.
    pub rows: u64,
    /// The first of them.
    pub example: Reject,
}

/// The rows that a source could not take: the last of them, and all by kind.
#[derive(Debug, Default)]
pub(super) struct Rejected {
    last: Mutex<VecDeque<Reject>>,
    limit: usize,
    kinds: Mutex<BTreeMap<(&'static str, String), RejectedFor>>,
    file: Option<Arc<DeadFile>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Rejected {
    /// None yet; `limit` are kept, all go to the file.
    pub(super) fn new(limit: usize, file: Option<Arc<DeadFile>>) -> Rejected {
        Rejected { limit, file, ..Rejected::default() }
    }

    /// Takes in a row.
    pub(super) fn add(&self, reject: Reject) {
        self.count(&reject);
        self.file.iter().for_each(|file| file.source(&reject));
        let mut last = lock(&self.last);
        last.push_back(reject);
        while last.len() > self.limit {
            last.pop_front();
        }
    }

    /// Takes in a row that an earlier run took in last, which counted it.
    pub(super) fn restore(&self, reject: Reject) {
        let mut last = lock(&self.last);
        last.push_back(reject);
        while last.len() > self.limit {
            last.pop_front();
        }
    }

    /// Takes in how many rows of a kind an earlier run took in.
    pub(super) fn restore_kind(&self, rows: RejectedFor) {
        let example = &rows.example;
        let mut kinds = lock(&self.kinds);
        let key = (example.reason, kind(&example.detail));
        // Those of further kinds are counted with the last of their reason, whatever its example says.
        let key = if kinds.contains_key(&key) { (example.reason, String::new()) } else { key };
        kinds.insert(key, rows);
    }

    fn count(&self, reject: &Reject) {
        let mut kinds = lock(&self.kinds);
        let key = (reject.reason, kind(&reject.detail));
        let key = match kinds.len() < MOST_KINDS || kinds.contains_key(&key) {
            true => key,
            false => (reject.reason, String::new()),
        };
        kinds.entry(key).or_insert_with(|| RejectedFor { rows: 0, example: reject.clone() }).rows += 1;
    }

    /// The last rows, newest first.
    pub(super) fn latest(&self, many: usize) -> Vec<Reject> {
        lock(&self.last).iter().rev().take(many).cloned().collect()
    }

    /// All kinds, the most frequent first.
    pub(super) fn kinds(&self) -> Vec<RejectedFor> {
        let mut all: Vec<RejectedFor> = lock(&self.kinds).values().cloned().collect();
        all.sort_by_key(|kind| std::cmp::Reverse(kind.rows));
        all
    }
}

/// A detail without what differs from row to row: numbers, and what is quoted behind the first quotation (a column's name).
fn kind(detail: &str) -> String {
    let (mut kind, mut quotes, mut digit) = (String::new(), 0, false);
    for c in detail.chars() {
        quotes += usize::from(c == '\'');
        let number = c.is_ascii_digit();
        if quotes > 2 && quotes % 2 == 1 && c != '\'' || number && digit {
            continue;
        }
        digit = number;
        kind.push(if number { '#' } else { c });
    }
    kind
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_counted_by_what_is_wrong_with_them() {
        let kinds = Rejected::new(3, None);
        let reject = |reason, detail: &str| Reject {
            source: "s".to_owned(),
            position: "line 1".to_owned(),
            reason,
            detail: detail.to_owned(),
            content: String::new(),
        };
        for text in ["abc", "17"] {
            kinds.add(reject("malformed", &format!("column 'n': '{text}' is no BIGINT")));
        }
        kinds.add(reject("malformed", "column 'm': 'x' is no BIGINT"));
        (0..2).for_each(|by| kinds.add(reject("late", &format!("{}", by * 1000 + 5))));
        let all: Vec<(u64, String)> = kinds.kinds().into_iter().map(|kind| (kind.rows, kind.example.detail)).collect();
        assert!(all.contains(&(2, "column 'n': 'abc' is no BIGINT".to_owned())), "{all:?}");
        assert!(all.contains(&(2, "5".to_owned())), "{all:?}");
        assert!(all.contains(&(1, "column 'm': 'x' is no BIGINT".to_owned())), "{all:?}");
        let latest: Vec<String> = kinds.latest(2).into_iter().map(|reject| reject.detail).collect();
        assert_eq!((latest, kinds.latest(10).len()), (vec!["1005".to_owned(), "5".to_owned()], 3));
    }
}
