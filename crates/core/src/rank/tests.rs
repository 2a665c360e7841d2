//! Rows that are kept, moved and ranked, against rows that are sorted anew each time.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow_cast::display::array_value_to_string;
use arrow_schema::{DataType, Field, Schema, SchemaRef, SortOptions};

use super::order::Order;
use super::partitions::Partitions;
use super::store::{Entry, Store};
use super::{Numbering, Rank};
use crate::aggregate::{Changes, Emit};
use crate::delta::Delta;

/// Numbers that are the same in every run.
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Random {
        Random(seed)
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }
}

fn numbered_texts(ids: impl Iterator<Item = i64> + Clone) -> RecordBatch {
    let texts = ids.clone().map(|id| format!("{id}:{}", "x".repeat((id % 90) as usize)));
    let columns: [(&str, ArrayRef); 2] =
        [("id", Arc::new(Int64Array::from_iter_values(ids))), ("text", Arc::new(StringArray::from_iter_values(texts)))];
    RecordBatch::try_from_iter(columns).expect("columns of one length")
}

fn by_id() -> Order {
    Order { columns: vec![(0, SortOptions::default())], ties: Vec::new(), complete: true }
}

fn move_rows(store: &mut Store, held: &mut [Entry]) -> bool {
    let Some(mut moves) = store.moves() else { return false };
    held.iter().for_each(|entry| moves.mark(*entry));
    moves.carry_out(store);
    held.iter_mut().for_each(|entry| moves.redirect(entry));
    true
}

#[test]
fn rows_outlive_moves_and_waste_is_bounded() {
    let mut random = Random::new(3);
    let (mut next, mut moved) = (0, 0);
    let mut store = Store::new(&numbered_texts(0..0).schema(), &by_id());
    let mut held: Vec<Entry> = Vec::new();
    for round in 0..600 {
        let most = [3, 40, 700, 6000][random.below(4)];
        let rows = 1 + random.below(most);
        let batch = numbered_texts(next..next + rows as i64);
        let words = store.words(&batch);
        let added = store.add(&batch);
        // Few of the rows are kept in some rounds, some more than once.
        let one_in = 1 + random.below(6);
        for row in (0..rows).filter(|_| random.below(one_in) == 0).collect::<Vec<_>>() {
            let entry = added.row(row, words[row]);
            store.hold(entry);
            held.push(entry);
            for _ in 0..if random.below(20) == 0 { random.below(4) } else { 0 } {
                store.hold_again(entry);
                held.push(entry);
            }
        }
        next += rows as i64;
        let gone = if round % 100 == 99 { held.len() } else { random.below(1 + held.len() / 3) };
        for _ in 0..gone {
            let at = random.below(held.len());
            store.release(held.swap_remove(at));
        }
        store.sweep(added.chunk);
        let expected: Vec<i64> = held.iter().map(|&entry| store.time(entry)).collect();
        moved += usize::from(move_rows(&mut store, &mut held));
        let columns = store.columns(&held);
        assert_eq!(columns[0].as_primitive::<Int64Type>().values()[..], expected);
        let texts = columns[1].as_string::<i32>();
        assert!((0..held.len()).all(|row| texts.value(row).starts_with(&format!("{}:", expected[row]))));
        assert_eq!(store.held(), held.len());
        let live: usize = columns.iter().filter_map(|column| column.to_data().get_slice_memory_size().ok()).sum();
        // What is held more than once counts once.
        assert!(store.bytes() <= 5 * live / 2 + (400 << 10), "{} bytes for {live} held", store.bytes());
        if held.is_empty() {
            assert!(store.bytes() < 100 << 10, "{}", store.bytes());
        }
    }
    assert!(moved > 20, "{moved}");
}

#[test]
fn batches_of_a_row_are_put_together() {
    let mut store = Store::new(&numbered_texts(0..0).schema(), &by_id());
    let mut held = Vec::new();
    for id in 0..5000 {
        let batch = numbered_texts(id..id + 1);
        let words = store.words(&batch);
        let entry = store.add(&batch).row(0, words[0]);
        store.hold(entry);
        held.push(entry);
    }
    let last = held.last().expect("there are some");
    assert!(last.place.parts().0 < 5000 / 200, "{}", last.place.parts().0);
    assert!(store.columns(&held)[0].as_primitive::<Int64Type>().values().iter().copied().eq(0..5000));
    assert!(store.bytes() < 5000 * 70 + (32 << 10), "{}", store.bytes());
}

#[test]
fn a_slice_does_not_keep_what_it_was_cut_from() {
    let whole = numbered_texts(0..100_000);
    let mut store = Store::new(&whole.schema(), &by_id());
    let hold = |store: &mut Store, batch: RecordBatch| -> Vec<Entry> {
        let words = store.words(&batch);
        let added = store.add(&batch);
        let entries = words.iter().enumerate().map(|(row, word)| added.row(row, *word)).collect::<Vec<_>>();
        entries.iter().for_each(|entry| store.hold(*entry));
        entries
    };
    let mut held = hold(&mut store, whole.slice(77_000, 300));
    assert!(store.bytes() < 60 << 10, "the few rows are copied: {}", store.bytes());
    // Slices that are all kept are not copied, but are when the others have gone.
    let slices: Vec<RecordBatch> = (0..10).map(|part| whole.slice(part * 10_000, 10_000)).collect();
    drop(whole);
    let mut parts: Vec<Vec<Entry>> = slices.into_iter().map(|slice| hold(&mut store, slice)).collect();
    assert!(!move_rows(&mut store, &mut held), "they are all held");
    held.extend(parts.pop().expect("ten parts"));
    parts.into_iter().flatten().for_each(|entry| store.release(entry));
    for id in 0..20 {
        held.extend(hold(&mut store, numbered_texts(id * 300..id * 300 + 300)));
    }
    let before = store.columns(&held);
    move_rows(&mut store, &mut held);
    assert_eq!(store.columns(&held), before);
    let live: usize = before.iter().filter_map(|column| column.to_data().get_slice_memory_size().ok()).sum();
    assert!(store.bytes() < live + (200 << 10), "{} for {live}", store.bytes());
}

/// Key, a number that is often NULL and often the same, text, and another number.
type Row = (i64, Option<i64>, &'static str, i64);

fn schema() -> SchemaRef {
    let field = |name: &str, kind: DataType| Field::new(name, kind, true);
    let kinds = [DataType::Int64, DataType::Int64, DataType::Utf8, DataType::Int64];
    Arc::new(Schema::new(["k", "a", "b", "c"].iter().zip(kinds).map(|(n, kind)| field(n, kind)).collect::<Vec<_>>()))
}

fn delta(rows: &[(Row, i64)]) -> Delta {
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.0.0))),
        Arc::new(Int64Array::from_iter(rows.iter().map(|row| row.0.1))),
        Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.0.2))),
        Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.0.3))),
    ];
    let diffs = rows.iter().any(|row| row.1 != 1).then(|| rows.iter().map(|row| row.1).collect());
    Delta::new(RecordBatch::try_new(schema(), columns).expect("of the schema"), diffs)
}

/// What is shown of these rows, each as text with its numbers, and how often.
fn expected(rank: &Rank, rows: &BTreeMap<Row, i64>) -> BTreeMap<String, i64> {
    let (mut shown, mut partitions) = (BTreeMap::new(), BTreeMap::<i64, Vec<Row>>::new());
    for (row, copies) in rows {
        let partition = partitions.entry(if rank.keys.is_empty() { 0 } else { row.0 }).or_default();
        partition.extend(std::iter::repeat_n(*row, *copies as usize));
    }
    for mut rows in partitions.into_values() {
        // a DESC NULLS LAST, then c, then all else ascending.
        rows.sort_by_key(|row| (std::cmp::Reverse(row.1), row.3, row.0, row.2));
        let (mut first, mut dense) = (0, 0);
        for (at, row) in rows.iter().enumerate() {
            if at == 0 || rows[at - 1].1 != row.1 {
                (first, dense) = (at as u64 + 1, dense + 1);
            }
            let number = |numbering: &Numbering| match numbering {
                Numbering::Row => at as u64 + 1,
                Numbering::Rank => first,
                Numbering::Dense => dense,
            };
            if (rank.from..=rank.to).contains(&number(&rank.by)) {
                let numbers: Vec<String> = rank.numbers.iter().map(|numbering| number(numbering).to_string()).collect();
                let a = row.1.map_or_else(String::new, |a| a.to_string());
                let text = format!("{},{a},{},{},{}", row.0, row.2, row.3, numbers.join(","));
                *shown.entry(text).or_default() += 1;
            }
        }
    }
    shown
}

fn told(changes: Changes, shown: &mut BTreeMap<String, i64>) {
    for delta in changes.finish() {
        for row in 0..delta.len() {
            let cells = delta.batch().columns().iter().map(|column| array_value_to_string(column, row).expect("text"));
            let width = schema().fields().len();
            let (mut cells, numbers) = (cells.collect::<Vec<_>>(), delta.batch().num_columns() - width);
            let numbers = cells.split_off(cells.len() - numbers);
            let text = format!("{},{}", cells.join(","), numbers.join(","));
            *shown.entry(text).or_default() += delta.diff(row);
        }
    }
    shown.retain(|_, copies| *copies != 0);
}

#[test]
fn every_ranking_shows_what_sorting_shows() {
    let mut random = Random::new(5);
    for case in 0..72 {
        let numberings = [Numbering::Row, Numbering::Rank, Numbering::Dense];
        let (by, retracting) = (numberings[case % 3], case / 3 % 2 == 1);
        let to = [1, 2, 5, 40][random.below(4)];
        let numbers = numberings.into_iter().filter(|_| random.below(2) == 0).collect::<Vec<_>>();
        let rank = Rank {
            keys: if case / 6 % 2 == 0 { vec![0] } else { Vec::new() },
            window: None,
            order: vec![(1, SortOptions { descending: true, nulls_first: false })],
            ties: vec![(3, SortOptions::default())],
            unique: false,
            by,
            from: 1 + random.below(to.min(3)) as u64,
            to: to as u64,
            numbers,
            emit: Emit::Changes,
            lateness_ms: None,
            retracting,
        };
        let out = schema().fields().iter().map(|field| field.as_ref().clone()).collect::<Vec<_>>();
        let numbers = (0..rank.numbers.len()).map(|at| Field::new(format!("n{at}"), DataType::Int64, false));
        let out: SchemaRef = Arc::new(Schema::new(out.into_iter().chain(numbers).collect::<Vec<_>>()));
        let rank = Arc::new(rank);
        let mut partitions = Partitions::new(&rank, &schema());
        let (mut rows, mut shown) = (BTreeMap::<Row, i64>::new(), BTreeMap::new());
        let keys = 1 + random.below(20);
        for epoch in 0..20 {
            let many = [2, 9, 60, 400][random.below(4)];
            let mut input = Vec::new();
            for _ in 0..1 + random.below(3) {
                let mut batch = Vec::new();
                for _ in 0..1 + random.below(many) {
                    let there = rows.iter().nth(random.below(rows.len().max(1))).map(|(row, copies)| (*row, *copies));
                    let (row, diff) = match there.filter(|_| retracting && random.below(2) == 0) {
                        Some((row, copies)) => (row, -1 - random.below(copies as usize) as i64),
                        None => {
                            let a = (random.below(6) > 0).then(|| random.below(12) as i64 + epoch / 4);
                            let text = ["", "x", "yy", "abcdefgh", "abcdefghi"][random.below(5)];
                            let diff = if random.below(15) == 0 { 1 + random.below(4) as i64 } else { 1 };
                            ((random.below(keys) as i64, a, text, random.below(4) as i64), diff)
                        }
                    };
                    let copies = rows.entry(row).or_default();
                    *copies += diff;
                    if *copies == 0 {
                        rows.remove(&row);
                    }
                    batch.push((row, diff));
                }
                input.push(delta(&batch));
            }
            let mut changes = Changes::new(&out);
            partitions.add(&input, Some(&mut changes));
            told(changes, &mut shown);
            assert_eq!(shown, expected(&rank, &rows), "case {case}, epoch {epoch}: {rank:?}");
            if rank.by == Numbering::Row && !retracting {
                let lists = rows.iter().fold(BTreeMap::<i64, i64>::new(), |mut lists, (row, copies)| {
                    *lists.entry(if rank.keys.is_empty() { 0 } else { row.0 }).or_default() += copies;
                    lists
                });
                let most = lists.values().map(|rows| (*rows).min(to as i64)).sum::<i64>();
                assert_eq!(partitions.held() as i64, most, "only rows that can be shown are kept");
            }
            // Rows that are saved and taken in again go on as they were.
            if random.below(12) == 0 {
                let saved = partitions.save(100);
                partitions = Partitions::new(&rank, &schema());
                for (columns, _) in saved {
                    partitions.add(&[Delta::insert(RecordBatch::try_new(schema(), columns).expect("saved"))], None);
                }
            }
        }
    }
}
