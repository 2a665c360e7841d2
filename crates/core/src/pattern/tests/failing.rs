//! Conditions that fail on some rows: what is told of those, and when.

use super::*;

/// Of the letters that divide.
pub(super) fn condition(asks: Asks) -> Condition {
    let pick = |at: usize| Arc::new(Column::new("pick", at)) as Arc<dyn PhysicalExpr>;
    let (picks, minus) = match asks {
        Asks::DividesNext => (vec![v(place(None, false, 1))], lit(3_i64)),
        Asks::DividesFirst => (vec![v(Place::default()), v(place(Some(0), true, 0))], pick(1)),
        _ => (vec![v(Place::default())], lit(3_i64)),
    };
    let by = Arc::new(BinaryExpr::new(pick(0), Operator::Minus, minus));
    let quotient = Arc::new(BinaryExpr::new(lit(6_i64), Operator::Divide, by));
    Condition { picks, holds: Arc::new(BinaryExpr::new(quotient, Operator::Gt, lit(1_i64))) }
}

impl Run {
    /// Takes the rows down that failed in a call; each is to be told within it.
    pub(super) fn note_failed(&mut self, first: i64, last: i64) {
        for failed in self.failures.try_iter() {
            let due = failed.due.unwrap_or(first);
            assert!((first..=last).contains(&due), "{failed:?} is not of {first} to {last}");
            let text = format!("{}: {} {}", failed.failure.expression, failed.failure.detail, failed.content);
            self.failed.entry(due).or_default().push(text);
        }
    }
}

/// A letter that reads ahead is asked about when the row ahead has passed: its failure is told then, not when its own row has.
#[test]
fn a_failure_is_told_when_it_is_asked_for() {
    for (asks, rows, expected) in [
        // The row after it makes it fail; that passes at 51.
        (Asks::DividesNext, vec![(5, 1), (10, 2), (50, 3), (60, 7)], vec![(51, 10)]),
        // It is asked about as soon as it has passed.
        (Asks::Divides, vec![(5, 1), (10, 2), (50, 3), (60, 7)], vec![]),
        // Nobody asks about a row that comes when no match is begun.
        (Asks::Divides, vec![(5, 7), (10, 3), (50, 7)], vec![]),
        (Asks::Divides, vec![(5, 1), (10, 3), (50, 7)], vec![(11, 10)]),
    ] {
        let mut told = Vec::new();
        for one_by_one in [true, false] {
            let mut case = plain(Shape::Concat(vec![Shape::Row(0), Shape::Row(1)]), Some(100), Some(0));
            case.flags = [0b0000_0010, 0b0000_1100, 0];
            case.asks[1] = asks;
            let mut run = Run { one_by_one, ..Run::new(&case, false) };
            feed(&mut run, &case, 0, &rows);
            run.close_up_to(Some(Epoch::at(1_000)));
            run.close_up_to(None);
            let ts = |content: &str| (0..100).find(|ts| content.contains(&format!("00:00:00.{ts:03}")));
            let failed = run.failed.iter();
            let failed: Vec<(i64, i64)> =
                failed.flat_map(|(due, rows)| rows.iter().map(|row| (*due, ts(row).unwrap()))).collect();
            told.push(failed);
        }
        assert_eq!(told[0], told[1], "{asks:?} over {rows:?}");
        assert_eq!(told[0], expected, "{asks:?} over {rows:?}");
    }
}

/// The random cases have such rows, in conditions that are evaluated ahead and in those that are not.
#[test]
fn random_cases_fail() {
    let mut failed = BTreeMap::new();
    for seed in 0..400 {
        let mut random = Random(seed);
        let case = random.case();
        let events = random.events();
        let mut run = Run::new(&case, false);
        for (epoch, rows) in &accepted(&case, &events, 1) {
            run.close_up_to(Some(*epoch));
            run.state.apply(*epoch, &mut [vec![delta(&case, rows)]]);
            run.note_failed(epoch.watermark, epoch.watermark);
        }
        run.close_up_to(None);
        for text in run.failed.values().flatten() {
            let kind = ["NEXT", "FIRST"].into_iter().find(|word| text.contains(word)).unwrap_or("v");
            *failed.entry(kind).or_insert(0) += 1;
        }
    }
    assert!(failed.len() == 3 && failed.values().all(|rows| *rows >= 5), "{failed:?}");
}
