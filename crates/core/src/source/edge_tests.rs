//! The edge against an oracle that takes one row at a time and knows the rules only as SEMANTICS states them.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampMillisecondType};
use arrow_array::{Array, ArrayRef, Int64Array, RecordBatch, TimestampMillisecondArray};
use arrow_schema::{DataType, Field, Schema, TimeUnit};
use datafusion_expr::Operator;
use datafusion_physical_expr::expressions::{binary, col, lit};
use proptest::prelude::*;

use super::*;
use crate::time::Epoch;

#[derive(Debug)]
struct Nowhere;

impl Connector for Nowhere {
    fn name(&self) -> &'static str {
        "nowhere"
    }
    fn help(&self) -> &'static str {
        "for tests"
    }
    fn options(&self) -> &'static [OptionSpec] {
        &[]
    }
    fn live(&self, _: &Options) -> bool {
        false
    }
    fn check(&self, _: &SourceSpec) -> Result<(), SourceError> {
        Ok(())
    }
    fn replay(&self) -> Replay {
        Replay::Once
    }
    fn open(&self, _: &SourceSpec, _: &[(SplitId, Start)]) -> Result<Vec<Box<dyn Reader>>, SourceError> {
        Ok(Vec::new())
    }
}

/// Columns ts, x and, computed, `100 / x`; out go ts, the quotient and the sequence.
pub(super) fn spec(time: Option<TimeSpec>) -> SourceSpec {
    let ts = Field::new("ts", DataType::Timestamp(TimeUnit::Millisecond, None), true);
    let x = Field::new("x", DataType::Int64, true);
    let quotient = Arc::new(Field::new("q", DataType::Int64, true));
    let physical = Arc::new(Schema::new(vec![ts.clone(), x]));
    let expression = binary(lit(100_i64), Operator::Divide, col("x", &physical).unwrap(), &physical).unwrap();
    SourceSpec {
        name: "s".to_owned(),
        connector: (&Nowhere as &dyn Connector).into(),
        formats: Formats::default(),
        options: Options::default(),
        physical,
        metadata: Vec::new(),
        zone: crate::time::Zone::utc(),
        computed: vec![(quotient.clone(), expression)],
        decode: vec![0, 1],
        arrival: None,
        output: vec![0, 2],
        time,
        dedup: None,
        changelog: None,
        sequence: true,
        schema: Arc::new(Schema::new(vec![
            Arc::new(ts),
            quotient,
            Arc::new(Field::new("sequence", DataType::Int64, false)),
        ])),
    }
}

pub(super) fn decoded(rows: &[(Option<i64>, i64)], position: u64) -> Decoded {
    let ts: ArrayRef = Arc::new(rows.iter().map(|row| row.0).collect::<TimestampMillisecondArray>());
    let x: ArrayRef = Arc::new(rows.iter().map(|row| Some(row.1)).collect::<Int64Array>());
    let batch = RecordBatch::try_from_iter([("ts", ts), ("x", x)]).unwrap();
    Decoded { first: position, ..Decoded::rows(batch, 0) }
}

/// (epoch, ts, quotient, sequence)
type Row = (Epoch, i64, i64, i64);

fn rows(steps: &[Step]) -> Vec<Row> {
    let mut rows = Vec::new();
    for Step { epoch, delta } in steps {
        assert!(delta.diffs().is_none() && !delta.is_empty());
        let ts = delta.batch().column(0).as_primitive::<TimestampMillisecondType>();
        let quotient = delta.batch().column(1).as_primitive::<Int64Type>();
        let sequence = delta.batch().column(2).as_primitive::<Int64Type>();
        rows.extend((0..delta.len()).map(|row| {
            (*epoch, if ts.is_null(row) { i64::MIN } else { ts.value(row) }, quotient.value(row), sequence.value(row))
        }));
    }
    rows
}

/// The rules, one row at a time. Rejects as (position, reason, detail if late).
fn oracle(
    time: Option<TimeSpec>,
    input: &[(Option<i64>, i64)],
    tick_rows: usize,
) -> (Vec<Row>, Vec<(u64, String)>, Epoch) {
    let (mut out, mut rejects) = (Vec::new(), Vec::new());
    let (mut watermark, mut epoch, mut in_epoch) = (i64::MIN, Epoch::MIN, 0);
    for (index, &(event, x)) in input.iter().enumerate() {
        let position = index as u64 + 1;
        let mut accept = |watermark: &mut i64| {
            if x == 0 {
                return rejects.push((position, "evaluation".to_owned()));
            }
            if let Some(time) = time {
                let event = event.filter(|event| *event != i64::MAX);
                let Some(event) = event else { return rejects.push((position, "no_event_time".to_owned())) };
                let behind = i128::from(*watermark) - i128::from(event);
                if time.lateness_ms.is_some_and(|lateness| *watermark > i64::MIN && behind > i128::from(lateness)) {
                    return rejects.push((
                        position,
                        format!("late {} ms behind the watermark", behind.min(i128::from(i64::MAX))),
                    ));
                }
                *watermark = (*watermark).max(event.saturating_sub(time.bound_ms));
            }
            out.push((epoch, event.unwrap_or(i64::MIN), 100 / x, (3 << 40) + index as i64));
        };
        accept(&mut watermark);
        in_epoch += 1;
        if in_epoch == tick_rows {
            in_epoch = 0;
            epoch = if watermark > epoch.watermark {
                Epoch::at(watermark)
            } else {
                Epoch { tick: epoch.tick + 1, ..epoch }
            };
        }
    }
    (out, rejects, epoch)
}

fn event() -> impl Strategy<Value = Option<i64>> {
    prop_oneof![
        20 => (-50_i64..50).prop_map(Some),
        2 => (-5000_i64..5000).prop_map(Some),
        1 => Just(None),
        1 => prop_oneof![Just(i64::MIN), Just(i64::MAX - 1), Just(i64::MAX), Just(-1), Just(0)].prop_map(Some),
    ]
}

fn time_spec() -> impl Strategy<Value = Option<TimeSpec>> {
    let lateness = prop_oneof![Just(None), Just(Some(0)), (0_i64..60).prop_map(Some)];
    proptest::option::weighted(
        0.9,
        (0_i64..30, lateness).prop_map(|(bound_ms, lateness_ms)| TimeSpec {
            column: 0,
            bound_ms,
            lateness_ms,
            idle_timeout: None,
            idle_by_clock: false,
            max_future_skew_ms: 1000,
        }),
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn w1_w4_l1_any_split_gives_what_the_rules_say(
        time in time_spec(),
        input in proptest::collection::vec((event(), prop_oneof![30 => 1_i64..9, 1 => Just(0_i64)]), 0..200),
        sizes in proptest::collection::vec(1_usize..40, 1..20),
        tick_rows in 1_usize..50,
        rising in any::<bool>(),
    ) {
        // In order, apart from the extremes, the fast way is taken.
        let mut input = input;
        if rising {
            input.sort_by_key(|row| row.0);
            input.retain(|row| row.1 != 0);
        }
        let (expected, expected_rejects, expected_epoch) = oracle(time, &input, tick_rows);
        let mut edge = Edge::new(&spec(time), 3, tick_rows, false);
        let (mut steps, mut rejects, mut from) = (Vec::new(), Vec::new(), 0);
        for size in sizes.iter().cycle() {
            let to = input.len().min(from + size);
            edge.accept(decoded(&input[from..to], from as u64 + 1), 0, &mut steps, &mut rejects);
            from = to;
            if from == input.len() {
                break;
            }
        }
        prop_assert_eq!(rows(&steps), expected);
        prop_assert!(steps.windows(2).all(|pair| pair[0].epoch <= pair[1].epoch));
        let late = |reject: &Reject| if reject.reason == "late" { format!("late {}", reject.detail) } else { reject.reason.to_owned() };
        let rejects: Vec<(String, String)> = rejects.iter().map(|reject| (reject.position.clone(), late(reject))).collect();
        let expected_rejects: Vec<(String, String)> =
            expected_rejects.into_iter().map(|(at, what)| (format!("record {at} of partition 3"), what)).collect();
        prop_assert_eq!(rejects, expected_rejects);
        prop_assert_eq!(edge.epoch(), expected_epoch);
        let counts = edge.counts();
        prop_assert_eq!(counts.accepted() + counts.rejected(), input.len() as u64);
        if time.is_some() {
            prop_assert_eq!(counts.lateness.rows(), counts.accepted() + counts.rejected_late);
        }
    }
}

pub(super) fn timed(bound_ms: i64, lateness_ms: Option<i64>) -> Option<TimeSpec> {
    Some(TimeSpec {
        column: 0,
        bound_ms,
        lateness_ms,
        idle_timeout: None,
        idle_by_clock: false,
        max_future_skew_ms: 1000,
    })
}

/// What comes out of a bounded edge that is handed these rows one by one: accepted times, rejects, the watermark after each.
fn one_by_one(time: Option<TimeSpec>, input: &[(Option<i64>, i64)]) -> (Vec<i64>, Vec<Reject>, Vec<i64>) {
    let mut edge = Edge::new(&spec(time), 0, 1, false);
    let (mut steps, mut rejects, mut watermarks) = (Vec::new(), Vec::new(), Vec::new());
    for (index, row) in input.iter().enumerate() {
        edge.accept(decoded(&[*row], index as u64 + 1), 0, &mut steps, &mut rejects);
        watermarks.push(edge.watermark());
    }
    (rows(&steps).iter().map(|row| row.1).collect(), rejects, watermarks)
}

#[test]
fn w1_a_row_at_the_watermark_is_on_time() {
    let (accepted, rejects, watermarks) = one_by_one(timed(5, Some(0)), &[(Some(10), 1), (Some(5), 1), (Some(4), 1)]);
    assert_eq!((accepted, watermarks), (vec![10, 5], vec![5, 5, 5]));
    assert_eq!((rejects[0].reason, rejects[0].detail.as_str()), ("late", "1 ms behind the watermark"));
}

#[test]
fn w2_the_first_watermark_is_minus_infinity_and_rows_before_1970_are_ordinary() {
    assert_eq!(Edge::new(&spec(timed(5, Some(0))), 0, 1, false).watermark(), i64::MIN);
    let early = -86_400_000;
    let (accepted, rejects, watermarks) = one_by_one(timed(5, Some(0)), &[(Some(early), 1), (Some(early + 3), 1)]);
    assert_eq!((accepted, watermarks), (vec![early, early + 3], vec![early - 5, early - 2]));
    assert!(rejects.is_empty());
}

#[test]
fn w3_a_watermark_never_goes_back() {
    let times = [3, 50, -20, 49, 51, i64::MIN, 40, 60].map(|ts| (Some(ts), 1));
    let (_, _, watermarks) = one_by_one(timed(0, None), &times);
    assert_eq!(watermarks, [3, 50, 50, 50, 51, 51, 51, 60]);
}

#[test]
fn an_idle_watermark_goes_on_with_the_clock_and_never_nearer_to_it_than_the_bound() {
    let mut edge = Edge::new(&spec(timed(5, Some(0))), 0, 1, true);
    let accept = |edge: &mut Edge, event: i64, now_ms: i64| {
        let (mut steps, mut rejects) = (Vec::new(), Vec::new());
        edge.accept(decoded(&[(Some(event), 1)], 1), now_ms, &mut steps, &mut rejects);
        rejects.len()
    };
    edge.elapse(900);
    assert_eq!(edge.epoch(), Epoch::MIN, "before its first row there is nothing to go on from");
    // An event of 970 that comes at 1000, 30 late: so are those that follow.
    accept(&mut edge, 970, 1_000);
    edge.tick();
    for (now, expected) in [(1_000, 965), (1_010, 975), (1_005, 975), (1_400, 1_365)] {
        edge.elapse(now);
        assert_eq!((edge.watermark(), edge.epoch().watermark), (expected, expected), "at {now}");
    }
    assert_eq!(accept(&mut edge, 1_364, 1_400), 1, "it is late by the clock");
    assert_eq!(accept(&mut edge, 2_000, 1_500), 0);
    for (now, expected) in [(1_600, 1_995), (2_000, 1_995), (2_100, 2_095)] {
        edge.elapse(now);
        assert_eq!(edge.watermark(), expected, "at {now}: events ahead of the clock wait for it");
    }
}

#[test]
fn a_row_that_makes_others_late_is_named() {
    let hour = 3_600_000;
    for size in [1, 7, 100] {
        // In the tenth row the year is wrong; then 20 rows come that are late by it, and one that is late anyway.
        let day = 1_700_000_000_000;
        let mut input: Vec<(Option<i64>, i64)> = (0..30).map(|n| (Some(day + 1_000 * n), 1)).collect();
        input[9].0 = Some(day + 24 * hour);
        input.push((Some(day - hour), 1));
        let mut edge = Edge::new(&spec(timed(5, Some(0))), 0, 8_192, false).named("a.json");
        let (mut steps, mut rejects) = (Vec::new(), Vec::new());
        for (at, rows) in input.chunks(size).enumerate() {
            edge.accept(decoded(rows, (at * size) as u64 + 1), day, &mut steps, &mut rejects);
        }
        assert_eq!(rejects.len(), 21);
        let leaps: Vec<_> = edge.counts().leaps.iter().cloned().collect();
        assert_eq!(leaps.len(), 1, "in batches of {size}: {leaps:?}");
        let leap = &leaps[0];
        assert_eq!((leap.position.as_str(), leap.made_late, leap.ahead), ("a.json:10", 20, true));
        assert_eq!((leap.event_ms, leap.from_ms), (day + 24 * hour, day + 8_000 - 5));
        let text = leap.told(true);
        assert!(text.contains("a.json:10 has the event time 2023-11-15T22:13:20.000Z, "), "{text}");
        assert!(text.contains("'max-future-skew'; 20 rows behind it are late by it"), "{text}");
    }
}

#[test]
fn times_of_another_unit_are_named() {
    let mut edge = Edge::new(&spec(timed(0, Some(0))), 0, 8_192, false);
    let (mut steps, mut rejects) = (Vec::new(), Vec::new());
    let input = [1_770_586_844, 1_770_586_845].map(|seconds| (Some(seconds), 1));
    edge.accept(decoded(&input, 1), 1_770_586_900_000, &mut steps, &mut rejects);
    let told: Vec<String> = edge.counts().leaps.iter().map(|leap| leap.told(true)).collect();
    let expected = "record 1 of partition 0 has the event time 1970-01-21T11:49:46.844Z; it looks like seconds: write 'timestamp.unit' = 's'";
    assert_eq!(told, [expected]);
    let input = [1_770_586_844_790, 1_770_586_844].map(|ms| (Some(ms), 1));
    edge.accept(decoded(&input, 3), 1_770_586_900_000, &mut steps, &mut rejects);
    assert_eq!(
        rejects[0].detail,
        "1768816257946 ms behind the watermark; it looks like seconds: write 'timestamp.unit' = 's'"
    );
}

#[test]
fn w10_a_row_without_event_time_is_a_dead_letter_and_its_neighbours_pass() {
    let (accepted, rejects, watermarks) = one_by_one(timed(0, Some(0)), &[(Some(1), 1), (None, 2), (Some(2), 1)]);
    assert_eq!((accepted, watermarks), (vec![1, 2], vec![1, 1, 2]));
    assert_eq!(rejects.len(), 1);
    assert_eq!((rejects[0].reason, rejects[0].detail.as_str()), ("no_event_time", "the event time 'ts' is NULL"));
    assert_eq!(rejects[0].position, "record 2 of partition 0");
    // The watermark at the end of time says that nothing comes any more.
    let (accepted, rejects, watermarks) =
        one_by_one(timed(0, None), &[(Some(1), 1), (Some(i64::MAX), 2), (Some(2), 1)]);
    assert_eq!((accepted, watermarks), (vec![1, 2], vec![1, 1, 2]));
    assert!(rejects[0].reason == "no_event_time" && rejects[0].detail.contains("the end of time"), "{rejects:?}");
}

#[test]
fn l2_a_rejected_row_is_a_dead_letter_with_its_lateness_and_is_counted() {
    let mut edge = Edge::new(&spec(timed(0, Some(10))), 0, 8, false);
    let (mut steps, mut rejects) = (Vec::new(), Vec::new());
    edge.accept(decoded(&[(Some(100), 1), (Some(90), 1), (Some(89), 7)], 1), 0, &mut steps, &mut rejects);
    assert_eq!(rows(&steps).iter().map(|row| row.1).collect::<Vec<_>>(), [100, 90]);
    assert_eq!(
        (rejects.len(), rejects[0].reason, rejects[0].detail.as_str()),
        (1, "late", "11 ms behind the watermark")
    );
    assert_eq!(rejects[0].source, "s");
    assert!(rejects[0].content.contains(r#""x":7"#), "{}", rejects[0].content);
    let counts = edge.counts();
    assert_eq!((counts.on_time, counts.accepted_late, counts.rejected_late), (1, 1, 1));
}

#[test]
fn w9_a_row_ahead_of_the_clock_is_kept_but_moves_nothing() {
    let mut edge = Edge::new(&spec(timed(0, Some(0))), 0, 1, true);
    let (mut steps, mut rejects) = (Vec::new(), Vec::new());
    edge.accept(decoded(&[(Some(10), 1), (Some(2_000), 1), (Some(11), 1)], 1), 500, &mut steps, &mut rejects);
    assert_eq!(rows(&steps).len(), 3);
    assert!(rejects.is_empty());
    assert_eq!((edge.watermark(), edge.counts().in_future, edge.counts().max_event_time), (11, 1, Some(11)));
    assert_eq!(edge.epoch(), Epoch::MIN, "accept never moves a live edge");
    edge.tick();
    assert_eq!(edge.epoch(), Epoch::at(11));
    edge.tick();
    assert_eq!(edge.epoch(), Epoch::at(11), "nothing came");
    edge.accept(decoded(&[(Some(11), 1)], 4), 500, &mut steps, &mut rejects);
    edge.tick();
    assert_eq!(edge.epoch(), Epoch { watermark: 11, tick: 1 });
}

#[test]
fn w6_who_followed_while_idle_is_late_by_the_others_watermark() {
    let mut edge = Edge::new(&spec(timed(5, Some(2))), 0, 100, true);
    let (mut steps, mut rejects) = (Vec::new(), Vec::new());
    edge.accept(decoded(&[(Some(10), 1)], 1), 1_000, &mut steps, &mut rejects);
    edge.follow(Epoch { watermark: 50, tick: 3 });
    edge.follow(Epoch::at(20));
    assert_eq!(edge.epoch(), Epoch { watermark: 50, tick: 3 }, "it never goes back");
    edge.accept(
        decoded(&[(Some(47), 1), (Some(48), 1), (Some(50), 1), (Some(56), 1)], 2),
        1_000,
        &mut steps,
        &mut rejects,
    );
    assert_eq!(rejects.len(), 1);
    assert_eq!(
        (rejects[0].detail.as_str(), rejects[0].content.as_str()),
        ("3 ms behind the watermark", r#"{"ts":"1970-01-01T00:00:00.047Z","x":1,"q":100}"#)
    );
    assert_eq!((edge.counts().accepted_late, edge.counts().on_time, edge.watermark()), (1, 3, 51));
    assert_eq!(behind(&edge), [(0, 3), (2, 1), (3, 1)], "by the watermark that made them late");
    edge.finish();
    assert_eq!(edge.epoch(), Epoch::MAX);
}

/// The histogram's buckets with rows in them: how far behind, and how many.
fn behind(edge: &Edge) -> Vec<(i64, u64)> {
    edge.counts().lateness.buckets().filter(|(_, rows)| *rows > 0).collect()
}

#[test]
fn l5_rows_that_others_make_late_are_counted_by_how_late_they_are() {
    let mut edge = Edge::new(&spec(timed(0, Some(100))), 0, 100, true);
    let (mut steps, mut rejects) = (Vec::new(), Vec::new());
    edge.follow(Epoch::at(60));
    edge.accept(decoded(&[(Some(58), 1), (Some(60), 1), (Some(63), 1)], 1), 1_000, &mut steps, &mut rejects);
    assert_eq!((behind(&edge), edge.counts().max_event_time), (vec![(0, 2), (2, 1)], Some(63)), "none rejected");
    edge.follow(Epoch::at(90));
    edge.accept(decoded(&[(Some(86), 1)], 4), 1_000, &mut steps, &mut rejects);
    assert_eq!((behind(&edge), edge.counts().max_event_time), (vec![(0, 2), (2, 1), (4, 1)], Some(86)), "all behind");
    edge.follow(Epoch::at(190));
    edge.accept(decoded(&[(Some(62), 1)], 5), 1_000, &mut steps, &mut rejects);
    assert_eq!((rejects[0].detail.as_str(), behind(&edge).last()), ("128 ms behind the watermark", Some(&(128, 1))));
}

#[test]
fn a_batch_without_late_rows_is_not_copied() {
    let mut spec = spec(timed(5, Some(0)));
    spec.sequence = false;
    spec.computed.clear();
    spec.output = vec![0, 1];
    spec.schema = spec.physical.clone();
    let mut edge = Edge::new(&spec, 0, 4, false);
    let decoded = decoded(&(0..10).map(|row| (Some(row), 1)).collect::<Vec<_>>(), 1);
    let buffer = decoded.batch.column(0).as_primitive::<TimestampMillisecondType>().values().inner().data_ptr();
    let mut steps = Vec::new();
    edge.accept(decoded, 0, &mut steps, &mut Vec::new());
    assert_eq!(steps.iter().map(|step| step.delta.len()).collect::<Vec<_>>(), [4, 4, 2]);
    for step in &steps {
        let column = step.delta.batch().column(0).as_primitive::<TimestampMillisecondType>();
        assert_eq!(column.values().inner().data_ptr(), buffer);
    }
}

/// What is taken (row numbers), and how many are duplicates and late: the keys of all rows taken are looked through.
fn oracle_of_duplicates(time: TimeSpec, horizon_ms: i64, input: &[(Option<i64>, i64)]) -> (Vec<i64>, u64, u64) {
    let (mut taken, mut keys, mut watermark) = (Vec::new(), Vec::<(i64, i64)>::new(), i64::MIN);
    let (mut duplicates, mut late) = (0, 0);
    for (row, &(event, key)) in (0..).zip(input) {
        let Some(event) = event else { continue };
        let last = keys.iter().rev().find(|known| known.0 == key);
        if last.is_some_and(|(_, at)| event.max(watermark) - at < horizon_ms) {
            duplicates += 1;
        } else if time.lateness_ms.is_some_and(|lateness| watermark > i64::MIN && watermark - event > lateness) {
            late += 1;
        } else {
            keys.push((key, event.max(watermark)));
            watermark = watermark.max(event - time.bound_ms);
            taken.push((3 << 40) + row);
        }
    }
    (taken, duplicates, late)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_split_finds_the_same_duplicates(
        (bound_ms, lateness_ms) in (0_i64..30, proptest::option::of(0_i64..60)),
        horizon_ms in 1_i64..80,
        input in proptest::collection::vec((proptest::option::weighted(0.95, -50_i64..400), 1_i64..30), 0..200),
        sizes in proptest::collection::vec(1_usize..40, 1..20),
        rising in any::<bool>(),
    ) {
        let mut input = input;
        if rising {
            input.sort_by_key(|row| row.0);
        }
        let time = timed(bound_ms, lateness_ms).unwrap();
        let spec = SourceSpec { dedup: Some(DedupSpec { column: 1, horizon_ms }), ..spec(Some(time)) };
        let mut edge = Edge::new(&spec, 3, 7, false);
        let (mut steps, mut rejects, mut from) = (Vec::new(), Vec::new(), 0);
        for size in sizes.iter().cycle() {
            let to = input.len().min(from + size);
            edge.accept(decoded(&input[from..to], from as u64 + 1), 0, &mut steps, &mut rejects);
            from = to;
            if from == input.len() {
                break;
            }
        }
        let (taken, duplicates, late) = oracle_of_duplicates(time, horizon_ms, &input);
        prop_assert_eq!(rows(&steps).into_iter().map(|row| row.3).collect::<Vec<_>>(), taken);
        let counts = edge.counts();
        prop_assert_eq!((counts.duplicates, counts.rejected_late), (duplicates, late));
        prop_assert_eq!(counts.received(), input.len() as u64);
    }
}

#[test]
fn keys_are_kept_for_the_horizon_only() {
    let spec = SourceSpec { dedup: Some(DedupSpec { column: 1, horizon_ms: 500 }), ..spec(timed(0, Some(0))) };
    let mut edge = Edge::new(&spec, 0, 100, false);
    let rows: Vec<_> = (0..100_000).map(|row| (Some(row), row + 1)).collect();
    for (at, batch) in rows.chunks(1000).enumerate() {
        edge.accept(decoded(batch, at as u64 * 1000 + 1), 0, &mut Vec::new(), &mut Vec::new());
        assert!(edge.keys_kept() <= 1024, "{}", edge.keys_kept());
    }
    assert_eq!(edge.counts().on_time, 100_000);
}
