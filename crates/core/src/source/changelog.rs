//! Changelogs: sources whose rows add rows and take them back, or put rows in the place of others (`'changelog' = '...'`).
//!
//! A column of the input says what each of its rows does ([`OPS`]). The edge makes diffs of that, and says where each change stands
//! among all; [`Current`] is what is there by then, so that nothing is taken back that is not.

mod by_key;
mod current;
mod saved;

use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, SchemaRef};

pub use self::current::{Current, Timed, Unknown};
use super::{SourceError, SourceSpec};
use crate::counted::counted;
use crate::format::Going;

/// How the changes of a source are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changelog {
    /// The column that says what a row does: index into the decoded columns.
    pub op: usize,
    /// The columns that leave the source by which rows are put in the place of others; `None` if a row that goes is there as a whole.
    pub key: Option<Vec<usize>>,
}

/// What a row does, by the word for it: whether it adds (or puts in), and whether that word needs a key.
const OPS: &[(&str, bool, bool)] = &[
    ("insert", true, false),
    ("retract", false, false),
    ("delete", false, false),
    ("update_before", false, false),
    ("update_after", true, false),
    ("+I", true, false),
    ("-U", false, false),
    ("+U", true, false),
    ("-D", false, false),
    ("update", true, true),
    ("upsert", true, true),
];

impl Changelog {
    /// How often a row is added or taken back that says this of itself; `Err` says what it may say.
    pub(super) fn diff(&self, op: Option<&str>) -> Result<i64, String> {
        let keyed = self.key.is_some();
        let Some(word) = op else {
            return if keyed { Ok(1) } else { Err(format!("NULL; {}", self.words())) };
        };
        match OPS.iter().find(|(known, _, needs_key)| *known == word && (keyed || !needs_key)) {
            Some((_, true, _)) => Ok(1),
            Some((_, false, _)) => Ok(-1),
            None => Err(format!("'{word}'; {}", self.words())),
        }
    }

    /// Which rows go by their key alone, if rows go so.
    pub(super) fn going(&self, physical: &Schema, decode: &[usize]) -> Option<Going> {
        self.key.as_ref()?;
        let op = physical.field(*decode.get(self.op)?).name().clone();
        let words = OPS.iter().filter(|(_, adds, _)| !adds).map(|(word, ..)| *word).collect();
        Some(Going { op, words })
    }

    fn words(&self) -> String {
        let words = OPS.iter().filter(|(.., needs_key)| self.key.is_some() || !needs_key);
        format!("it may be {}", words.map(|(word, ..)| *word).collect::<Vec<_>>().join(", "))
    }
}

/// What stands behind the columns of a change on its way here, all whole numbers: the number of the row, partition << 40 | ordinal;
/// the number of its record, for messages; and by event time where it stands among the changes of all partitions.
const ORDER: [&str; 3] = ["__number", "__record", "__turn"];

/// Where a change stands whose partition has brought no event time yet.
pub(super) const UNDATED: i64 = i64::MIN;

/// The schema of a source's rows on their way here, if they are changes.
pub(super) fn numbered(spec: &SourceSpec) -> Option<SchemaRef> {
    spec.changelog.as_ref().map(|_| with_order(&spec.schema))
}

fn with_order(schema: &SchemaRef) -> SchemaRef {
    let order = ORDER.map(|name| Arc::new(Field::new(name, DataType::Int64, false)));
    Arc::new(Schema::new(schema.fields().iter().cloned().chain(order).collect::<Vec<_>>()))
}

impl SourceSpec {
    /// Whether changes of several partitions meet by event time: else they do as they come.
    pub(super) fn changes_meet_by_time(&self) -> bool {
        self.changelog.is_some() && self.time.is_some() && !self.connector.live(&self.options)
    }

    /// Refuses changes that come in so many splits of which nothing says which is newer.
    pub fn check_order(&self, splits: usize) -> Result<(), SourceError> {
        let said = self.changelog.is_none() || self.time.is_some() || self.connector.live(&self.options);
        if said || splits <= 1 {
            return Ok(());
        }
        Err(SourceError::Schema {
            source_name: self.name.clone(),
            what: format!("its changes come in {}, and nothing says which of two is newer", counted(splits, "part")),
            remedy: "declare a WATERMARK FOR the time of a change, or read one: 'partitions' = '1'".to_owned(),
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use arrow_array::cast::AsArray;
    use arrow_array::types::Int64Type;
    use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMillisecondArray};

    use super::super::edge_tests::{spec, timed};
    use super::super::{Decoded, Edge, Step};
    use super::*;
    use crate::delta::Reject;

    /// What the edge makes of changes: the diffs of those that it lets through, and why it does not let the others.
    fn taken(
        key: Option<Vec<usize>>,
        rows: &[(Option<i64>, i64, Option<&str>)],
    ) -> (Vec<i64>, Vec<(&'static str, String)>) {
        let (steps, rejects) = steps(key, rows, None, 100);
        let diffs = steps.iter().flat_map(|step| (0..step.delta.len()).map(|row| step.delta.diff(row))).collect();
        (diffs, rejects.into_iter().map(|reject| (reject.reason, reject.detail)).collect())
    }

    /// What leaves the edge of partition 3, and what does not, where rows are of these records.
    fn steps(
        key: Option<Vec<usize>>,
        rows: &[(Option<i64>, i64, Option<&str>)],
        records: Option<Vec<u64>>,
        tick_rows: usize,
    ) -> (Vec<Step>, Vec<Reject>) {
        let plain = spec(timed(5, Some(0)));
        let fields = plain.physical.fields().iter().cloned().chain([Arc::new(Field::new("_op", DataType::Utf8, true))]);
        let physical = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let schema = Arc::new(physical.project(&[0, 1]).unwrap());
        let changelog = Some(Changelog { op: 2, key });
        let (computed, decode, output) = (Vec::new(), vec![0, 1, 2], vec![0, 1]);
        let spec = SourceSpec { physical, computed, decode, output, changelog, sequence: false, schema, ..plain };
        let columns: Vec<ArrayRef> = vec![
            Arc::new(rows.iter().map(|row| row.0).collect::<TimestampMillisecondArray>()),
            Arc::new(rows.iter().map(|row| Some(row.1)).collect::<Int64Array>()),
            Arc::new(rows.iter().map(|row| row.2).collect::<StringArray>()),
        ];
        let batch = RecordBatch::try_new(spec.physical.clone(), columns).unwrap();
        let (mut steps, mut rejects) = (Vec::new(), Vec::new());
        let decoded = Decoded { numbers: records, ..Decoded::rows(batch, 0) };
        Edge::new(&spec, 3, tick_rows, false).accept(decoded, 0, &mut steps, &mut rejects);
        for step in &steps {
            assert_eq!(*step.delta.batch().schema(), *numbered(&spec).unwrap());
            assert!(order(step, 0).iter().all(|number| number >> 40 == 3));
        }
        (steps, rejects)
    }

    /// One of the columns behind the rows.
    fn order(step: &Step, at: usize) -> &[i64] {
        step.delta.batch().column(2 + at).as_primitive::<Int64Type>().values()
    }

    #[test]
    fn k3_k4_changes_are_late_as_rows_are_and_say_what_they_do() {
        let rows = [
            (Some(10), 1, Some("insert")),
            (Some(20), 1, Some("+I")),
            (Some(10), 1, Some("retract")),
            (Some(20), 1, Some("-D")),
            (None, 1, Some("delete")),
            (Some(30), 2, Some("upsert")),
            (Some(30), 2, None),
            (Some(30), 2, Some("Insert")),
        ];
        let (diffs, refused) = taken(None, &rows);
        assert_eq!(diffs, [1, 1, -1]);
        let reasons: Vec<&str> = refused.iter().map(|refused| refused.0).collect();
        assert_eq!(reasons, ["late", "no_event_time", "malformed", "malformed", "malformed"]);
        assert!(
            refused[2].1.starts_with("column '_op' is 'upsert'; it may be insert, retract, delete, "),
            "{refused:?}"
        );
        assert!(refused[3].1.starts_with("column '_op' is NULL; it may be"), "{refused:?}");
        // By key a row that takes another one out is of no time, and moves no watermark.
        let rows = [
            (None, 1, Some("delete")),
            (Some(40), 3, None),
            (Some(99), 3, Some("delete")),
            (Some(34), 1, Some("update")),
            (Some(35), 1, Some("upsert")),
            (Some(41), 1, Some("d")),
            (None, 1, Some("insert")),
        ];
        let (diffs, refused) = taken(Some(vec![1]), &rows);
        assert_eq!(diffs, [-1, 1, -1, 1]);
        let reasons: Vec<&str> = refused.iter().map(|refused| refused.0).collect();
        assert_eq!(reasons, ["late", "malformed", "no_event_time"]);
    }

    #[test]
    fn k3_what_goes_moves_no_watermark() {
        let rows = [(Some(10), 1, Some("+I")), (Some(900), 2, Some("-D")), (Some(11), 1, Some("+I"))];
        let (diffs, refused) = taken(None, &rows);
        assert_eq!((diffs, refused), (vec![1, -1, 1], vec![]));
    }

    #[test]
    fn k2_a_change_stands_where_the_latest_time_of_its_partition_puts_it() {
        let rows = [
            (Some(25), 7, Some("-D")),
            (None, 7, Some("-D")),
            (Some(20), 1, Some("+I")),
            (Some(900), 1, Some("-D")),
            (Some(35), 2, Some("+I")),
            (Some(32), 1, Some("+I")),
            (Some(50), 2, Some("-U")),
            (Some(45), 3, Some("+U")),
        ];
        let records = Some(vec![1, 2, 3, 4, 6, 7, 8, 8]);
        let (steps, refused) = steps(Some(vec![1]), &rows, records, 100);
        assert!(refused.is_empty(), "{refused:?}");
        // Less the bound of 5. Before anything has come, what goes says when by itself; both rows of a record stand where its last does.
        assert_eq!(order(&steps[0], 2), [20, 20, 20, 20, 30, 30, 40, 40]);
        assert_eq!(order(&steps[0], 1), [1, 2, 3, 4, 6, 7, 8, 8]);
    }

    #[test]
    fn c2_a_record_is_of_one_epoch_and_taken_as_a_whole() {
        let rows = [
            (Some(10), 1, Some("+I")),
            (Some(10), 1, Some("-U")),
            (Some(20), 1, Some("+U")),
            (Some(20), 1, Some("-U")),
            (Some(30), 1, Some("+U")),
            // What it was would be late, or has no time, or says nothing.
            (Some(10), 1, Some("-U")),
            (Some(31), 1, Some("+U")),
            (Some(32), 1, Some("-U")),
            (None, 1, Some("+U")),
            (Some(33), 1, Some("-U")),
            (Some(33), 1, Some("x")),
            // It is judged as of when it came.
            (Some(60), 2, Some("+U")),
            (Some(26), 1, Some("-U")),
        ];
        let records = || Some(vec![1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7]);
        for tick_rows in [1, 2, 3, 4, 100] {
            let (steps, refused) = steps(None, &rows, records(), tick_rows);
            let taken: Vec<i64> = steps.iter().flat_map(|step| order(step, 1)).copied().collect();
            assert_eq!(taken, [1, 2, 2, 3, 3, 7, 7]);
            for (one, other) in steps.iter().zip(&steps[1..]) {
                assert!(order(one, 1).last() < order(other, 1).first(), "a record falls apart");
            }
            let reasons: Vec<&str> = refused.iter().map(|refused| refused.reason).collect();
            let expected = ["late", "late", "no_event_time", "no_event_time", "malformed", "malformed"];
            assert_eq!(reasons, expected, "{refused:?}");
            assert!(refused[1].detail.contains("another row of its change"), "{refused:?}");
        }
    }
}
