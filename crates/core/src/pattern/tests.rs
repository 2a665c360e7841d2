//! The matcher against an enumeration of all ways to match, in order of preference, over the rows in the end: random
//! patterns, conditions, rows, lateness and skips; seeded.

mod bounds;
mod failing;
mod naive;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampMillisecondType};
use arrow_array::{Array, ArrayRef, BooleanArray, Int64Array, RecordBatch, TimestampMillisecondArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use datafusion_expr::Operator;
use datafusion_physical_expr::PhysicalExpr;
use datafusion_physical_expr::expressions::{BinaryExpr, Column, lit};

use self::naive::Naive;
use super::*;
use crate::delta::{Delta, Failed, Rejects};
use crate::format::show_row;
use crate::operator::{Saved, Stateful};
use crate::time::Epoch;

const KEY: usize = 0;
const TS: usize = 1;
const SEQUENCE: usize = 2;
const V: usize = 3;
/// Where the flags of the variables start.
const FLAGS: usize = 4;
const VARIABLES: usize = 3;

#[derive(Clone, Copy, Debug, PartialEq)]
struct Event {
    key: Option<i64>,
    ts: i64,
    sequence: i64,
    v: i64,
}

/// What a variable asks of a row beyond its flag.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Asks {
    Nothing,
    /// `v > PREV(v)`.
    Rises,
    /// `v < NEXT(v)`.
    Below,
    /// `v >= FIRST(a.v)`.
    NotBelowFirst,
    /// `SUM(v) < 9` so far.
    SmallSum,
    /// `6 / (v - 3) > 1`, which fails on 3.
    Divides,
    /// `6 / (NEXT(v) - 3) > 1`, which fails before 3.
    DividesNext,
    /// `6 / (v - FIRST(a.v)) >= 1`.
    DividesFirst,
}

#[derive(Clone, Debug)]
struct Case {
    shape: Shape,
    /// The values that have the flag of a variable, as bits.
    flags: [u8; VARIABLES],
    asks: [Asks; VARIABLES],
    within: Option<i64>,
    skip: Skip,
    all: bool,
    lateness: Option<i64>,
    bound: i64,
}

struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }

    fn shape(&mut self, depth: u64) -> Shape {
        let row = |r: &mut Random| Shape::Row(r.below(VARIABLES as u64) as usize);
        if depth == 0 {
            return row(self);
        }
        match self.below(6) {
            0 => row(self),
            1 | 2 => Shape::Concat((0..1 + self.below(3)).map(|_| self.shape(depth - 1)).collect()),
            3 => Shape::Either((0..2 + self.below(2)).map(|_| self.shape(depth - 1)).collect()),
            _ => {
                let mut body = self.shape(depth - 1);
                while body.is_nullable() {
                    body = row(self);
                }
                let least = self.below(3) as u32;
                let most = (self.below(2) == 0).then(|| least.max(1) + self.below(3) as u32);
                Shape::Repeat { body: Box::new(body), least, most, reluctant: self.below(2) == 0 }
            }
        }
    }

    fn case(&mut self) -> Case {
        let mut shape = self.shape(3);
        while shape.is_nullable() {
            shape = self.shape(3);
        }
        let within = (self.below(4) > 0).then(|| 1 + self.below(12) as i64);
        if within.is_some() && self.below(4) == 0 {
            shape = Shape::Concat(vec![shape, Shape::End]);
        }
        let asks = |r: &mut Random| match r.below(11) {
            8 => Asks::Divides,
            9 => Asks::DividesNext,
            10 => Asks::DividesFirst,
            0 => Asks::Rises,
            1 => Asks::Below,
            2 => Asks::NotBelowFirst,
            3 => Asks::SmallSum,
            _ => Asks::Nothing,
        };
        let variable = self.below(VARIABLES as u64) as usize;
        Case {
            shape,
            flags: [0; VARIABLES].map(|_| self.below(255) as u8 + 1),
            asks: [(); VARIABLES].map(|()| asks(self)),
            within,
            skip: [Skip::PastLast, Skip::ToNext, Skip::ToFirst(variable), Skip::ToLast(variable)]
                [self.below(4) as usize],
            all: self.below(2) == 0,
            lateness: [Some(0), Some(0), Some(3), Some(8), None][self.below(5) as usize],
            bound: self.below(4) as i64,
        }
    }

    fn events(&mut self) -> Vec<Event> {
        let (count, span, keys) = (self.below(16) as i64, 1 + self.below(30), 1 + self.below(3));
        let mut events: Vec<Event> = (0..count)
            .map(|sequence| Event {
                key: (self.below(5) > 0).then(|| self.below(keys) as i64),
                ts: sequence * span as i64 / 24 + self.below(5) as i64 - 10,
                sequence,
                v: self.below(8) as i64,
            })
            .collect();
        // Duplicates but for their numbers.
        for at in 1..events.len() {
            if self.below(8) == 0 {
                events[at] = Event { sequence: at as i64, ..events[at - 1] };
            }
        }
        events
    }
}

// The state machine.

fn time() -> DataType {
    DataType::Timestamp(TimeUnit::Millisecond, None)
}

fn input() -> SchemaRef {
    let mut fields = vec![
        Field::new("k", DataType::Int64, true),
        Field::new("ts", time(), true),
        Field::new("n", DataType::Int64, true),
        Field::new("v", DataType::Int64, true),
    ];
    fields.extend((0..VARIABLES).map(|at| Field::new(format!("f{at}"), DataType::Boolean, true)));
    Arc::new(Schema::new(fields))
}

fn place(variable: Option<usize>, first: bool, offset: i64) -> Place {
    Place { variables: variable.map(|of| 1 << of), first, skip: 0, offset }
}

fn v(place: Place) -> Pick {
    Pick::Column { place, column: V }
}

/// The first two variables together, as bits.
const EITHER: Option<u64> = Some(0b11);

fn sum(variable: Option<usize>) -> Pick {
    sum_of(variable.map(|of| 1 << of))
}

fn sum_of(variables: Option<u64>) -> Pick {
    let function = crate::aggregate::find("SUM").unwrap();
    let output = function.bind(&[DataType::Int64], &[]).unwrap().output;
    Pick::Aggregate(PickAggregate { variables, function, args: vec![V], literals: vec![], distinct: false, output })
}

fn count() -> Pick {
    let function = crate::aggregate::find("COUNT").unwrap();
    let output = function.bind(&[], &[]).unwrap().output;
    Pick::Aggregate(PickAggregate {
        variables: None,
        function,
        args: vec![],
        literals: vec![],
        distinct: false,
        output,
    })
}

fn pattern(case: &Case) -> Pattern {
    let compare = |picks: Vec<Pick>, op: Operator, right: Arc<dyn PhysicalExpr>| {
        Some(Condition { picks, holds: Arc::new(BinaryExpr::new(Arc::new(Column::new("pick", 0)), op, right)) })
    };
    let second = || Arc::new(Column::new("pick", 1)) as Arc<dyn PhysicalExpr>;
    let current = || v(Place::default());
    let condition = |asks: Asks| match asks {
        Asks::Nothing => None,
        Asks::Rises => compare(vec![current(), v(place(None, false, -1))], Operator::Gt, second()),
        Asks::Below => compare(vec![current(), v(place(None, false, 1))], Operator::Lt, second()),
        Asks::NotBelowFirst => compare(vec![current(), v(place(Some(0), true, 0))], Operator::GtEq, second()),
        Asks::SmallSum => compare(vec![sum(None)], Operator::Lt, lit(9_i64)),
        Asks::Divides | Asks::DividesNext | Asks::DividesFirst => Some(failing::condition(asks)),
    };
    let variable =
        |at: usize| Variable { name: format!("v{at}"), flag: Some(FLAGS + at), condition: condition(case.asks[at]) };
    let ts = |first: bool| Pick::Column { place: place(None, first, 0), column: TS };
    Pattern {
        keys: vec![KEY],
        time: TS,
        sequence: Some(SEQUENCE),
        variables: (0..VARIABLES).map(variable).collect(),
        shape: case.shape.clone(),
        within_ms: case.within,
        skip: case.skip,
        shown: case.all.then(|| vec![KEY, TS, V]),
        picks: vec![
            ts(true),
            ts(false),
            v(place(None, true, -1)),
            v(place(Some(0), false, 0)),
            count(),
            sum(Some(0)),
            v(Place { variables: EITHER, ..Place::default() }),
            sum_of(EITHER),
            Pick::Classifier,
            Pick::MatchNumber,
        ],
        lateness_ms: case.lateness,
        owner: "test".to_owned(),
    }
}

fn output(case: &Case) -> SchemaRef {
    let head: &[(&str, DataType)] = if case.all {
        &[("k", DataType::Int64), ("ts", time()), ("v", DataType::Int64)]
    } else {
        &[("k", DataType::Int64)]
    };
    let mut fields: Vec<Field> = head.iter().map(|(name, t)| Field::new(*name, t.clone(), true)).collect();
    let Pick::Aggregate(sum) = sum(None) else { unreachable!("it is one") };
    let types = [
        time(),
        time(),
        DataType::Int64,
        DataType::Int64,
        DataType::Int64,
        sum.output.clone(),
        DataType::Int64,
        sum.output,
        DataType::Utf8,
        DataType::Int64,
    ];
    fields.extend(types.into_iter().enumerate().map(|(at, t)| Field::new(format!("p{at}"), t, true)));
    Arc::new(Schema::new(fields))
}

fn delta(case: &Case, events: &[Event]) -> Delta {
    let numbers = |of: fn(&Event) -> i64| Arc::new(Int64Array::from_iter_values(events.iter().map(of))) as ArrayRef;
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(events.iter().map(|event| event.key).collect::<Int64Array>()),
        Arc::new(TimestampMillisecondArray::from_iter_values(events.iter().map(|event| event.ts))),
        numbers(|event| event.sequence),
        numbers(|event| event.v),
    ];
    for flags in case.flags {
        columns.push(Arc::new(events.iter().map(|event| Some((flags >> event.v) & 1 == 1)).collect::<BooleanArray>()));
    }
    Delta::insert(RecordBatch::try_new(input(), columns).unwrap())
}

fn lines(delta: &Delta) -> Vec<(String, i64)> {
    let cell = |column: &ArrayRef, row: usize| match column.data_type() {
        _ if column.is_null(row) => "-".to_owned(),
        DataType::Timestamp(..) => column.as_primitive::<TimestampMillisecondType>().value(row).to_string(),
        DataType::Utf8 => column.as_string::<i32>().value(row).to_owned(),
        DataType::Int64 => column.as_primitive::<Int64Type>().value(row).to_string(),
        _ => arrow_cast::display::array_value_to_string(column, row).unwrap(),
    };
    let line = |row| delta.batch().columns().iter().map(|column| cell(column, row)).collect::<Vec<_>>().join(" ");
    (0..delta.len()).map(|row| (line(row), delta.diff(row))).collect()
}

struct Run {
    state: Recognise,
    failures: Receiver<Failed>,
    /// Whether deadlines are worked off one by one, not as many as there are.
    one_by_one: bool,
    /// What came out, by deadline: lines in order.
    told: BTreeMap<i64, Vec<(String, i64)>>,
    /// The same of the rows on which a condition failed.
    failed: BTreeMap<i64, Vec<String>>,
    out: BTreeMap<String, i64>,
    retracted: usize,
}

impl Run {
    fn new(case: &Case, sweep: bool) -> Run {
        let pattern = pattern(case);
        let program = Program::new(&pattern).unwrap();
        let (rejects, failures) = Rejects::channel(show_row);
        let mut state = Recognise::new(&pattern, program, &input(), &output(case), 0, &rejects);
        if sweep {
            state.sweep_always();
        }
        let (told, failed, out) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Run { state, failures, one_by_one: false, told, failed, out, retracted: 0 }
    }

    fn note(&mut self, deltas: Vec<Delta>) {
        for (line, diff) in deltas.iter().flat_map(lines) {
            self.retracted += usize::from(diff < 0);
            *self.out.entry(line).or_default() += diff;
        }
        self.out.retain(|_, count| *count != 0);
        assert!(self.out.values().all(|count| *count > 0), "more is taken back than was out: {:?}", self.out);
    }

    /// Goes on with a fresh one that takes in what this one kept.
    fn save_and_load(&mut self, mut fresh: Run, cut: Epoch) {
        let (sections, mut saving) = (self.state.sections(), self.state.begin());
        while let Some((at, rows)) = self.state.next(&mut saving, 3) {
            fresh.state.load(sections[at].name, sections[at].version, &rows).unwrap();
        }
        fresh.state.loaded(cut);
        (self.state, self.failures) = (fresh.state, fresh.failures);
    }

    fn close_up_to(&mut self, epoch: Option<Epoch>) {
        let reached = epoch.map_or(i64::MAX, |epoch| epoch.watermark);
        while let Some(due) = self.state.deadline().filter(|due| *due <= reached) {
            let until = if self.one_by_one { due } else { reached };
            for (deadline, deltas) in self.state.close_until(until) {
                self.told.entry(deadline).or_default().extend(deltas.iter().flat_map(lines));
                self.note(deltas);
            }
            self.note_failed(due, until);
        }
    }
}

/// Rows as an edge accepts them, by epoch.
fn accepted(case: &Case, events: &[Event], tick_rows: usize) -> Vec<(Epoch, Vec<Event>)> {
    let (mut watermark, mut epochs) = (i64::MIN, Vec::<(Epoch, Vec<Event>)>::new());
    for (at, event) in events.iter().enumerate() {
        if case.lateness.is_none_or(|lateness| event.ts >= watermark.saturating_sub(lateness)) {
            let epoch = Epoch { watermark, tick: (at / tick_rows) as u64 };
            match epochs.last_mut() {
                Some((last, rows)) if *last == epoch => rows.push(*event),
                _ => epochs.push((epoch, vec![*event])),
            }
        }
        watermark = watermark.max(event.ts.saturating_sub(case.bound));
    }
    epochs
}

fn expected(case: &Case, epochs: &[(Epoch, Vec<Event>)]) -> Option<BTreeMap<String, i64>> {
    let mut partitions: BTreeMap<Option<i64>, Vec<Event>> = BTreeMap::new();
    epochs.iter().flat_map(|(_, rows)| rows).for_each(|row| partitions.entry(row.key).or_default().push(*row));
    let mut out = BTreeMap::new();
    for rows in partitions.values_mut() {
        rows.sort_by_key(|row| (row.ts, row.sequence));
        let naive = Naive { case, rows, patience: std::cell::Cell::new(1500) };
        naive.answer().into_iter().for_each(|line| *out.entry(line).or_default() += 1);
        if naive.patience.get() == 0 {
            return None;
        }
    }
    Some(out)
}

/// Whether the answer from scratch could be had. Deadlines one by one and many at once tell the same at each, and so
/// does what is saved and taken in before every epoch.
fn check(seed: u64, sweep: bool) -> bool {
    let mut random = Random(seed);
    let case = random.case();
    let events = random.events();
    let epochs = accepted(&case, &events, 1 + random.below(5) as usize);
    let Some(expected) = expected(&case, &epochs) else { return false };
    let told = [(true, false), (false, false), (false, true)].map(|(one_by_one, saved)| {
        let mut run = Run { one_by_one, ..Run::new(&case, sweep) };
        for (epoch, rows) in &epochs {
            run.close_up_to(Some(*epoch));
            if saved && epoch.tick > 0 {
                run.save_and_load(Run::new(&case, sweep), *epoch);
            }
            let (a, b) = rows.split_at(rows.len() / 2);
            let deltas = run.state.apply(*epoch, &mut [vec![delta(&case, a), delta(&case, b)]]);
            run.note(deltas);
            run.note_failed(epoch.watermark, epoch.watermark);
        }
        run.close_up_to(None);
        assert_eq!(run.out, expected, "seed {seed}: {case:?} over {epochs:?}");
        if case.lateness == Some(0) {
            assert_eq!(run.retracted, 0, "seed {seed}: without lateness nothing is taken back");
        }
        run.told.values_mut().for_each(|lines| lines.sort());
        run.told.retain(|_, lines| !lines.is_empty());
        run.failed.values_mut().for_each(|rows| rows.sort());
        (run.told, run.failed)
    });
    assert_eq!(told[0], told[1], "seed {seed}: {case:?} over {epochs:?}");
    assert_eq!(told[0], told[2], "saved before every epoch, seed {seed}: {case:?} over {epochs:?}");
    true
}

#[test]
fn matches_equal_the_first_of_all_ways() {
    let known = (0..400).filter(|seed| check(*seed, false)).count();
    assert!(known > 300, "{known} answers are known");
}

#[test]
fn forgetting_rows_changes_nothing() {
    let known = (0..400).filter(|seed| check(*seed, true)).count();
    assert!(known > 300, "{known} answers are known");
}

fn plain(shape: Shape, within: Option<i64>, lateness: Option<i64>) -> Case {
    let flags = [0b0000_0010, 0b0000_0100, 0b1111_1000];
    let asks = [Asks::Nothing; VARIABLES];
    Case { shape, flags, asks, within, skip: Skip::PastLast, all: false, lateness, bound: 0 }
}

fn feed(run: &mut Run, case: &Case, watermark: i64, rows: &[(i64, i64)]) {
    let event = |&(ts, v): &(i64, i64)| Event { key: Some(1), ts, sequence: ts * 10 + v, v };
    let epoch = Epoch { watermark, tick: 0 };
    run.close_up_to(Some(epoch));
    let deltas = run.state.apply(epoch, &mut [vec![delta(case, &rows.iter().map(event).collect::<Vec<_>>())]]);
    run.note(deltas);
}

/// A match is out as soon as the watermark passes its last row, and not before.
#[test]
fn j7_a_match_is_out_when_the_watermark_passes_its_last_row() {
    let case = plain(Shape::Concat(vec![Shape::Row(0), Shape::Row(1)]), Some(100), Some(0));
    let mut run = Run::new(&case, false);
    feed(&mut run, &case, 0, &[(5, 1), (9, 2)]);
    assert_eq!(run.state.deadline(), Some(6), "the first row that could start one");
    run.close_up_to(Some(Epoch { watermark: 9, tick: 7 }));
    assert!(run.out.is_empty());
    run.close_up_to(Some(Epoch::at(10)));
    assert_eq!(run.out.len(), 1);
}

/// `WITHIN` is exclusive, and what a greedy end waits for is over when it is.
#[test]
fn j7_within_counts_from_the_first_row() {
    let greedy = Shape::Repeat { body: Box::new(Shape::Row(1)), least: 1, most: None, reluctant: false };
    let case = plain(Shape::Concat(vec![Shape::Row(0), greedy]), Some(10), Some(0));
    let mut run = Run::new(&case, false);
    feed(&mut run, &case, 0, &[(5, 1), (9, 2), (14, 2), (15, 2)]);
    run.close_up_to(Some(Epoch::at(14)));
    assert!(run.out.is_empty());
    run.close_up_to(Some(Epoch::at(16)));
    assert_eq!(run.out.keys().next().map(String::as_str), Some("1 5 14 - 1 3 1 2 5 v1 1"));
}

/// A late row between the rows of a match takes it back, once.
#[test]
fn j7_a_late_row_takes_a_match_back() {
    let case = plain(Shape::Concat(vec![Shape::Row(0), Shape::Row(1)]), Some(100), Some(50));
    let mut run = Run::new(&case, false);
    feed(&mut run, &case, 0, &[(5, 1), (9, 2)]);
    feed(&mut run, &case, 20, &[(30, 7)]);
    assert_eq!((run.out.len(), run.retracted), (1, 0));
    feed(&mut run, &case, 21, &[(7, 7)]);
    assert_eq!((run.out.len(), run.retracted), (0, 1));
    feed(&mut run, &case, 22, &[(8, 1)]);
    assert_eq!((run.out.len(), run.retracted), (1, 1));
}
