//! Saving (D8): what operators keep is saved at any cut, dealt to any number of workers by the routing of their inputs, taken
//! in by fresh ones, and goes on: the same changes at every epoch as without.

use crate::changelog;
use crate::cut::{Cut, Inputs, Operator, check, cuts};
use crate::oracle;
use crate::windows::{CHANGES, STEP, WINDOWS, longer};

use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray, Int64Array, RecordBatch, TimestampMillisecondArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef, SortOptions};
use highwater::time::{Epoch, Zone};
use highwater_core::aggregate::{self, Emit};
use highwater_core::delta::{Delta, Failure, Rejects, Unfit};
use highwater_core::differential::{Codec, Expiry, Fading};
use highwater_core::join::{
    Arranged, Arrangement, Buckets, Join, JoinKind, Lookup, Meeting, Met, Side, TimeOrder, Versions,
};
use highwater_core::operator::{Saved, Saving, Section, Stateful};
use highwater_core::plan::join::expiry;
use highwater_core::plan::{AggregateCall, Facts, Frame, Numbering, Op, Over, Pane, Rank, build};
use highwater_core::session::Hold;
use highwater_core::source::{Current, Unknown};
use highwater_core::table::{Change, Contents, request_schema};
use oracle::{Arrivals, KEEP, KEY, Row, TS, V};
use proptest::prelude::*;

/// The accepted rows of arrivals, one input, in batches of so many.
fn one_input(arrivals: &Arrivals, batch: usize) -> Inputs {
    let rows = |rows: Vec<Row>| vec![rows.chunks(batch).map(oracle::delta).collect()];
    arrivals.accept().0.into_iter().map(|(epoch, all)| (epoch, rows(all))).collect()
}

/// The accepted rows, every other for each of two inputs.
fn two_inputs(arrivals: &Arrivals, side: impl Fn(&Row) -> usize) -> Inputs {
    let split = |rows: Vec<Row>| {
        let (left, right): (Vec<Row>, Vec<Row>) = rows.into_iter().partition(|row| side(row) == 0);
        [left, right].map(|rows| if rows.is_empty() { vec![] } else { vec![oracle::delta(&rows)] }).to_vec()
    };
    arrivals.accept().0.into_iter().map(|(epoch, rows)| (epoch, split(rows))).collect()
}

/// An aggregate of each kind of state, over the rows' columns.
fn calls() -> Vec<AggregateCall> {
    let call = |name: &str, args: Vec<usize>, distinct: bool, ordered: bool| {
        let function = aggregate::find(name).unwrap();
        let types: Vec<DataType> = args.iter().map(|&arg| oracle::schema().field(arg).data_type().clone()).collect();
        let output = function.bind(&types, &[]).unwrap().output;
        let order = if ordered { vec![(TS, SortOptions::default())] } else { vec![] };
        AggregateCall { function, args, literals: vec![], order, distinct, filter: None, output, name: name.into() }
    };
    let mut calls = oracle::calls();
    calls.extend([
        call("AVG", vec![V], false, false),
        call("COUNT", vec![V], true, false),
        call("SUM", vec![V], true, false),
        call("MEDIAN", vec![V], false, false),
        call("STDDEV_SAMP", vec![V], false, false),
        call("APPROX_COUNT_DISTINCT", vec![V], false, false),
        call("LAST_VALUE", vec![V], false, true),
        call("ARRAY_AGG", vec![V], false, true),
        call("BOOL_OR", vec![KEEP], false, false),
        call("MAX", vec![oracle::TEXT], false, false),
    ]);
    calls
}

fn pane() -> impl Strategy<Value = Pane> {
    let windows = (0..WINDOWS.len()).prop_map(|i| Pane::Windows { time: TS, window: WINDOWS[i], zone: None });
    let session = any::<bool>().prop_map(|keep| Pane::Session { time: TS, gap: 8, keep: keep.then_some(KEEP) });
    let assigned = Just(Pane::Assigned { start: oracle::START, end: oracle::END });
    prop_oneof![2 => Just(Pane::Unbounded), 8 => windows, 1 => assigned, 4 => session]
}

fn emit() -> impl Strategy<Value = Emit> {
    prop_oneof![Just(Emit::Final), Just(Emit::Changes)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// `Groups`, `Panes`, `Slices`, `Sessions`, `PointSessions`.
    #[test]
    fn d8_groups_windows_and_sessions(
        arrivals in oracle::arrivals(any::<bool>()), pane in pane(), emit in emit(), shape in 0..oracle::KEY_SHAPES,
        workers in 1usize..4, cuts in cuts(), batch in 1usize..9,
    ) {
        let mut reduce = oracle::reduce(shape, pane, emit, arrivals.lateness, arrivals.retracting);
        reduce.aggregates = calls();
        let make = |rejects: &Rejects| oracle::state(&reduce, rejects);
        let operator = Operator { make: &make, routes: vec![oracle::key_columns(shape)] };
        check(&operator, &one_input(&arrivals, batch), workers, &cuts)?;
    }

    /// `Panes`, `Slices`, by the clocks of a zone about an instant at which they are changed.
    #[test]
    fn d8_windows_by_the_clocks_of_a_zone(
        arrivals in oracle::arrivals(any::<bool>()), change in 0..CHANGES.len(), window in 0..WINDOWS.len(),
        emit in emit(), workers in 1usize..4, cuts in cuts(), batch in 1usize..9,
    ) {
        let (name, change) = CHANGES[change];
        let pane = Pane::Windows { time: TS, window: longer(WINDOWS[window]), zone: Zone::of(name) };
        let lateness = arrivals.lateness.map(|lateness| lateness * STEP);
        let reduce = oracle::reduce(1, pane, emit, lateness, arrivals.retracting);
        let instant = |time: i64| if time == i64::MIN { time } else { change + time * STEP };
        let rows = |rows: Vec<Row>| {
            let rows: Vec<Row> = rows.into_iter().map(|row| Row { ts: instant(row.ts), ..row }).collect();
            vec![rows.chunks(batch).map(oracle::delta).collect()]
        };
        let epochs = arrivals.accept().0.into_iter();
        let inputs: Inputs = epochs
            .map(|(epoch, all)| (Epoch { watermark: instant(epoch.watermark), ..epoch }, rows(all)))
            .collect();
        let cuts: Vec<Cut> = cuts.into_iter().map(|cut| Cut { later: cut.later * STEP, ..cut }).collect();
        let make = |rejects: &Rejects| oracle::state(&reduce, rejects);
        check(&Operator { make: &make, routes: vec![oracle::key_columns(1)] }, &inputs, workers, &cuts)?;
    }

    /// `Hold`.
    #[test]
    fn d8_changes_held_until_their_watermark_has_passed(
        arrivals in oracle::arrivals(Just(true)), workers in 1usize..4, cuts in cuts(), batch in 1usize..9,
    ) {
        let make = |_: &Rejects| Box::new(Hold::new(&oracle::schema())) as Box<dyn Stateful>;
        let operator = Operator { make: &make, routes: vec![(0..oracle::schema().fields().len()).collect()] };
        check(&operator, &one_input(&arrivals, batch), workers, &cuts)?;
    }
}

fn pairs() -> SchemaRef {
    let schema = oracle::schema();
    Arc::new(Schema::new(schema.fields().iter().chain(schema.fields()).cloned().collect::<Vec<_>>()))
}

const KINDS: [JoinKind; 8] = [
    JoinKind::Inner,
    JoinKind::Left,
    JoinKind::Right,
    JoinKind::Full,
    JoinKind::LeftSemi,
    JoinKind::LeftAnti,
    JoinKind::RightSemi,
    JoinKind::RightAnti,
];

/// A join of rows of equal keys, within an interval or not.
fn join(arrivals: &Arrivals, kind: JoinKind, emit: Emit, interval: bool, nulls_equal: bool) -> Join {
    let retracting = arrivals.retracting;
    let mut bounds = vec![None; oracle::schema().fields().len()];
    bounds[TS] = arrivals.lateness.map(|lateness| -lateness);
    let facts = Facts { append_only: !retracting, time: Some(TS), bounds, ..Facts::default() };
    let order = match interval {
        true => vec![
            TimeOrder { side: Side::Left, earlier: TS, later: TS, gap_ms: -9 },
            TimeOrder { side: Side::Right, earlier: TS, later: TS, gap_ms: -14 },
        ],
        false => vec![],
    };
    let keys = vec![(KEY, KEY)];
    let expiry = expiry(&keys, &order, [&facts, &facts]);
    let (transient, residual, retracting, owner) = (false, None, [retracting; 2], "test".to_owned());
    Join { kind, expiry, keys, nulls_equal, order, residual, emit, transient, retracting, owner, told: vec![] }
}

/// Two arrangements and their join, as one operator.
struct Shared {
    sides: [Arranged; 2],
    met: Met,
}

impl Stateful for Shared {
    fn apply(&mut self, epoch: Epoch, inputs: &mut [Vec<Delta>]) -> Vec<Delta> {
        let sides = self.sides.iter_mut().zip(inputs);
        let mut passed: Vec<Vec<Delta>> =
            sides.map(|(side, rows)| side.apply(epoch, std::slice::from_mut(rows))).collect();
        self.met.apply(epoch, &mut passed)
    }

    fn held(&self) -> usize {
        self.sides.iter().map(Stateful::held).sum()
    }

    fn bytes(&self) -> usize {
        self.sides.iter().map(Stateful::bytes).sum()
    }

    fn expire(&mut self, frontier: Epoch) {
        self.met.expire(frontier);
    }
}

impl Saved for Shared {
    fn sections(&self) -> Vec<Section> {
        assert!(self.met.sections().is_empty(), "the rows are the arrangements'");
        let sections = self.sides.iter().flat_map(Saved::sections).zip(["left", "right"]);
        sections.map(|(section, name)| Section { name, ..section }).collect()
    }

    fn begin(&mut self) -> Saving {
        let (mut all, sections) = (Saving::default(), self.sections());
        for (at, side) in self.sides.iter_mut().enumerate() {
            let mut saving = side.begin();
            while let Some((_, rows)) = side.next(&mut saving, 100) {
                all.add((at, &sections[at]), rows.columns().to_vec(), rows.num_rows());
            }
        }
        all
    }

    fn take(&mut self, section: usize, rows: &RecordBatch) -> Result<(), Unfit> {
        self.sides[section].take(0, rows)
    }

    fn loaded(&mut self, cut: Epoch) {
        self.sides.iter_mut().for_each(|side| side.loaded(cut));
        self.met.loaded(cut);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// `Buckets`: joins of every kind, whose rows expire or not.
    #[test]
    fn d8_joins(
        arrivals in oracle::arrivals(any::<bool>()), kind in 0..KINDS.len(), emit in emit(), interval in any::<bool>(),
        nulls_equal in any::<bool>(), workers in 1usize..4, cuts in cuts(),
    ) {
        let join = join(&arrivals, KINDS[kind], emit, interval, nulls_equal);
        let output = if join.kind.pairs() { pairs() } else { oracle::schema() };
        let make = |rejects: &Rejects| {
            let inputs = [&oracle::schema(), &oracle::schema()];
            Box::new(Buckets::new(join.clone(), &output, inputs, rejects)) as Box<dyn Stateful>
        };
        let operator = Operator { make: &make, routes: vec![vec![KEY]; 2] };
        check(&operator, &two_inputs(&arrivals, |row| row.ts.rem_euclid(2) as usize), workers, &cuts)?;
    }

    /// `Arranged`, `Met`.
    #[test]
    fn d8_joins_of_shared_arrangements(
        arrivals in oracle::arrivals(any::<bool>()), nulls_equal in any::<bool>(), workers in 1usize..4, cuts in cuts(),
    ) {
        let join = join(&arrivals, JoinKind::Inner, Emit::Changes, false, nulls_equal);
        let make = |rejects: &Rejects| {
            let inputs = [&oracle::schema(), &oracle::schema()];
            let side = || Arranged::new(Arrangement::new(&oracle::schema(), &[KEY], nulls_equal, arrivals.retracting));
            let sides = [side(), side()];
            let met = Met::new(Meeting::new(&join, &pairs(), inputs, rejects), sides.clone());
            Box::new(Shared { sides, met }) as Box<dyn Stateful>
        };
        let operator = Operator { make: &make, routes: vec![vec![KEY]; 2] };
        check(&operator, &two_inputs(&arrivals, |row| row.ts.rem_euclid(2) as usize), workers, &cuts)?;
    }

    /// `Versions`.
    #[test]
    fn d8_lookups_of_versions(
        arrivals in oracle::arrivals(Just(false)), outer in any::<bool>(), workers in 1usize..4, cuts in cuts(),
    ) {
        let offset = arrivals.lateness.map_or(-100, |lateness| -lateness);
        let lookup = Lookup {
            keys: vec![(KEY, KEY)],
            times: (TS, TS),
            sequence: None,
            offsets_ms: [offset; 2],
            outer,
            residual: None,
            owner: "test".to_owned(),
        };
        let make = |rejects: &Rejects| {
            let inputs = [&oracle::schema(), &oracle::schema()];
            Box::new(Versions::new(lookup.clone(), &pairs(), inputs, rejects)) as Box<dyn Stateful>
        };
        let operator = Operator { make: &make, routes: vec![vec![KEY]; 2] };
        check(&operator, &two_inputs(&arrivals, |row| usize::from(row.keep == Some(true))), workers, &cuts)?;
    }
}

fn column(name: &str) -> Field {
    Field::new(name, DataType::Int64, false)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// `Top`: of streams and of windows.
    #[test]
    fn d8_rankings(
        arrivals in oracle::arrivals(any::<bool>()), shape in 0..oracle::KEY_SHAPES, windows in any::<bool>(),
        emit in emit(), by in 0usize..3, bound in (1u64..3, 1u64..5), workers in 1usize..4, cuts in cuts(), batch in 1usize..9,
    ) {
        let numberings = [Numbering::Row, Numbering::Rank, Numbering::Dense];
        let rank = Rank {
            keys: oracle::key_columns(shape),
            window: windows.then_some((oracle::START, oracle::END)),
            order: vec![(V, SortOptions { descending: true, nulls_first: false })],
            ties: vec![(TS, SortOptions::default())],
            unique: false,
            by: numberings[by],
            from: bound.0,
            to: bound.1,
            numbers: numberings.to_vec(),
            emit: if windows { emit } else { Emit::Changes },
            lateness_ms: arrivals.lateness,
            retracting: arrivals.retracting,
        };
        let mut plan = oracle::program(&oracle::reduce(1, Pane::Unbounded, rank.emit, None, false));
        let fields = oracle::schema().fields().iter().map(|field| field.as_ref().clone()).collect::<Vec<_>>();
        let numbers = numberings.map(|numbering| column(&format!("{numbering:?}")));
        plan.nodes[1].op = Op::Rank(rank.clone());
        plan.nodes[1].schema = Arc::new(Schema::new(fields.into_iter().chain(numbers).collect::<Vec<_>>()));
        let make = |rejects: &Rejects| {
            Box::new(build::top(&plan.nodes[0], &plan.nodes[1], &rank, rejects)) as Box<dyn Stateful>
        };
        let operator = Operator { make: &make, routes: vec![rank.exchange()] };
        check(&operator, &one_input(&arrivals, batch), workers, &cuts)?;
    }

    /// `Rolling`.
    #[test]
    fn d8_aggregates_over_frames(
        arrivals in oracle::arrivals(any::<bool>()), shape in 0..oracle::KEY_SHAPES, range in any::<bool>(),
        frame in (0u64..3, 0u64..9), workers in 1usize..4, cuts in cuts(), batch in 1usize..9,
    ) {
        let (to, from) = (frame.0, frame.0 + frame.1);
        let frame = match range {
            true => Frame::Range { from_ms: from as i64, to_ms: to as i64 },
            false => Frame::Rows { from, to },
        };
        let over = Over {
            keys: oracle::key_columns(shape),
            order: vec![(TS, SortOptions::default())],
            ties: vec![],
            frame,
            aggregates: calls(),
            lateness_ms: arrivals.lateness,
        };
        let mut plan = oracle::program(&oracle::reduce(1, Pane::Unbounded, Emit::Final, None, false));
        let fields = oracle::schema().fields().iter().map(|field| field.as_ref().clone()).collect::<Vec<_>>();
        let values = over.aggregates.iter().map(|call| Field::new(&call.name, call.output.clone(), true));
        plan.nodes[1].op = Op::Over(over.clone());
        plan.nodes[1].schema = Arc::new(Schema::new(fields.into_iter().chain(values).collect::<Vec<_>>()));
        let make = |rejects: &Rejects| {
            Box::new(build::rolling(&plan.nodes[0], &plan.nodes[1], &over, rejects)) as Box<dyn Stateful>
        };
        let operator = Operator { make: &make, routes: vec![over.keys.clone()] };
        check(&operator, &one_input(&arrivals, batch), workers, &cuts)?;
    }

    /// `Fading`.
    #[test]
    fn d8_rows_that_a_recursion_forgets(
        arrivals in oracle::arrivals(Just(true)), workers in 1usize..4, cuts in cuts(), batch in 1usize..9,
    ) {
        let make = |_: &Rejects| {
            let expiry = Expiry { column: TS, after_ms: arrivals.lateness.unwrap_or(50) };
            Box::new(Fading::new(expiry, Codec::new(&oracle::schema()).unwrap())) as Box<dyn Stateful>
        };
        let all = (0..oracle::schema().fields().len()).collect();
        check(&Operator { make: &make, routes: vec![all] }, &one_input(&arrivals, batch), workers, &cuts)?;
    }

    /// `Contents`.
    #[test]
    fn d8_reference_tables(
        changes in prop::collection::vec((0usize..5, 0i64..8, prop::option::of(0i64..3)), 0..40),
        workers in 1usize..4, cuts in cuts(),
    ) {
        let schema = Arc::new(Schema::new(vec![column("id"), Field::new("x", DataType::Int64, true)]));
        let wire = request_schema(&schema);
        let rows = |id: i64, x: Option<i64>| {
            let columns: Vec<ArrayRef> = vec![Arc::new(Int64Array::from(vec![id])), Arc::new(Int64Array::from(vec![x]))];
            RecordBatch::try_new(schema.clone(), columns).unwrap()
        };
        let request = |(kind, id, x): (usize, i64, Option<i64>)| match kind {
            0 => Change::Delete(rows(id, x)),
            1 => Change::Update { rows: rows(id, x), given: vec![vec![true, x.is_some()]] },
            2 if id == 0 => Change::Replace(rows(id, x)),
            _ => Change::Upsert(rows(id, x)),
        };
        let requests = changes.into_iter().map(|change| vec![vec![request(change).request(&wire, 0)]]);
        let inputs: Inputs = requests.enumerate().map(|(at, rows)| (Epoch { watermark: 7, tick: at as u64 }, rows)).collect();
        let make = |_: &Rejects| Box::new(Contents::new(&schema, &[0]).unwrap()) as Box<dyn Stateful>;
        check(&Operator { make: &make, routes: vec![vec![]] }, &inputs, workers, &cuts)?;
    }
}

/// Patterns over `k`, `v`: `PREV`, `NEXT`, what was matched before, alternatives, what may fail, each way to go on.
const PATTERNS: [&str; 6] = [
    "MEASURES FIRST(a.v) AS f, LAST(b.v) AS l, COUNT(*) AS n ONE ROW PER MATCH AFTER MATCH SKIP PAST LAST ROW
     PATTERN (a b+ c) WITHIN INTERVAL '0.020' SECOND DEFINE b AS b.v > PREV(b.v), c AS c.v < LAST(b.v)",
    "MEASURES MATCH_NUMBER() AS m, CLASSIFIER() AS c ALL ROWS PER MATCH AFTER MATCH SKIP TO NEXT ROW
     PATTERN (a b* c?) WITHIN INTERVAL '0.030' SECOND DEFINE a AS a.v > 2, b AS b.v < 5, c AS c.v = 7",
    "MEASURES SUM(a.v) AS s, MATCH_NUMBER() AS m ONE ROW PER MATCH AFTER MATCH SKIP PAST LAST ROW
     PATTERN (a{2,3} b) WITHIN INTERVAL '0.040' SECOND DEFINE a AS SUM(a.v) < 9, b AS b.v >= a.v",
    "MEASURES LAST(a.v) AS l ONE ROW PER MATCH AFTER MATCH SKIP TO LAST b
     PATTERN (a+? b) WITHIN INTERVAL '0.025' SECOND DEFINE a AS a.v < NEXT(a.v), b AS b.v > 0",
    "MEASURES FIRST(a.v) AS f ONE ROW PER MATCH AFTER MATCH SKIP TO FIRST b
     PATTERN (a (b | c)) WITHIN INTERVAL '0.015' SECOND DEFINE b AS 10 / b.v > 2, c AS 10 / PREV(c.v) < 3",
    "MEASURES FIRST(a.v) AS f ONE ROW PER MATCH AFTER MATCH SKIP PAST LAST ROW
     PATTERN (a b) WITHIN INTERVAL '0.030' SECOND DEFINE b AS b.v > a.v",
];

fn late(milliseconds: i64) -> String {
    format!("'{}.{:03}' SECOND", milliseconds / 1000, milliseconds % 1000)
}

/// Rows as a pattern reads them: beside its columns, which of its conditions they meet by themselves, and their numbers.
fn conditioned(schema: &SchemaRef, rows: &[Row], sequence: &mut i64) -> Delta {
    let column = |(at, field): (usize, &Arc<Field>)| -> ArrayRef {
        match (field.name().as_str(), field.data_type()) {
            ("k", _) => Arc::new(rows.iter().map(|row| row.key).collect::<Int64Array>()),
            ("v", _) => Arc::new(rows.iter().map(|row| row.v).collect::<Int64Array>()),
            (_, DataType::Boolean) => {
                let meets = |row: &Row| (row.v.unwrap_or(1) + at as i64).rem_euclid(3) > 0;
                Arc::new(rows.iter().map(|row| Some(meets(row))).collect::<BooleanArray>())
            }
            (_, DataType::Int64) => Arc::new(Int64Array::from_iter_values((*sequence..).take(rows.len()))),
            (_, kind) => {
                let times = TimestampMillisecondArray::from_iter_values(rows.iter().map(|row| row.ts));
                Arc::new(times.with_data_type(kind.clone()))
            }
        }
    };
    let columns = schema.fields().iter().enumerate().map(column).collect();
    *sequence += rows.len() as i64;
    Delta::insert(RecordBatch::try_new(schema.clone(), columns).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// `Recognise`.
    #[test]
    fn d8_patterns(
        arrivals in oracle::arrivals(Just(false)), pattern in 0..PATTERNS.len(), workers in 1usize..4, cuts in cuts(),
        batch in 1usize..9,
    ) {
        let lateness = arrivals.lateness.unwrap_or(100);
        let program = format!(
            "CREATE SOURCE rows (k BIGINT, ts TIMESTAMP(3), v BIGINT,
                 WATERMARK FOR ts AS ts - INTERVAL {}) WITH ('connector' = 'stdin', 'lateness' = '{lateness} ms');
             CREATE MATERIALIZED VIEW matches AS SELECT * FROM rows MATCH_RECOGNIZE (
                 PARTITION BY k ORDER BY ts {});",
            late(arrivals.bound), PATTERNS[pattern],
        );
        let plan = highwater::sql::plan(&[("patterns.sql".to_owned(), program)], &highwater::sql::Catalog::new()).unwrap();
        let found = plan.nodes.iter().find(|node| matches!(node.op, Op::Pattern(_))).unwrap();
        let Op::Pattern(pattern) = &found.op else { unreachable!() };
        let from = &plan.nodes[found.inputs[0]];
        let make = |rejects: &Rejects| Box::new(build::recognise(from, found, pattern, rejects)) as Box<dyn Stateful>;
        let arrivals = Arrivals { lateness: Some(lateness), ..arrivals };
        let mut sequence = 0;
        let mut rows = |rows: Vec<Row>| vec![rows.chunks(batch).map(|rows| conditioned(&from.schema, rows, &mut sequence)).collect()];
        let inputs: Inputs = arrivals.accept().0.into_iter().map(|(epoch, all)| (epoch, rows(all))).collect();
        let operator = Operator { make: &make, routes: vec![pattern.keys.clone()] };
        check(&operator, &inputs, workers, &cuts)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// `Current`.
    #[test]
    fn d8_rows_that_come_and_go(
        epochs in changelog::epochs(), (keyed, across) in any::<(bool, bool)>(), workers in 1usize..4, cuts in cuts(),
        batch in 1usize..9,
    ) {
        let inputs = changelog::inputs(&epochs, batch);
        let key = keyed.then(|| vec![KEY]);
        let make = |rejects: &Rejects| {
            let rejects = rejects.clone();
            let tell = move |rows: &RecordBatch, row: usize, _: Unknown| rejects.row(Failure::no_event_time(), rows, row, 1);
            Box::new(Current::new(&oracle::schema(), key.clone(), changelog::timed(across), tell)) as Box<dyn Stateful>
        };
        let route = key.clone().unwrap_or_else(|| (0..oracle::schema().fields().len()).collect());
        check(&Operator { make: &make, routes: vec![route] }, &inputs, workers, &cuts)?;
    }
}

/// Every operator stands in one of the tests above, by its name in their words.
#[test]
fn no_operator_is_left_out() {
    // Those that keep nothing of their own, or nothing but what saved inputs or the log tell again; and `Repeats`, which `source/repeats.rs` tests.
    const ELSEWHERE: [&str; 6] = ["Telling", "Gathered", "Settled", "Intake", "Learner", "Repeats"];
    let (mut found, text) = (Vec::new(), include_str!("saved.rs"));
    for path in glob::glob("crates/core/src/**/*.rs").unwrap() {
        let code = std::fs::read_to_string(path.unwrap()).unwrap();
        for line in code.lines().filter_map(|line| line.strip_prefix("impl Stateful for ")) {
            let name = line.trim_end_matches(" {").to_owned();
            let tested = text.contains(&format!("/// `{name}`")) || text.contains(&format!(", `{name}`"));
            assert!(tested || ELSEWHERE.contains(&&*name), "what {name} keeps is saved by no test");
            found.push(name);
        }
    }
    assert!(found.len() >= 19, "{found:?}");
}
