//! The generators: bounded runs repeat, any split makes the same rows, shapes and ratios are as promised.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};

use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{Array, RecordBatch};
use arrow_schema::{DataType, Field, TimeUnit};

use super::datagen::Datagen;
use super::nexmark::Nexmark;
use super::tests::spec;
use super::*;

/// All rows of all partitions, of the default columns.
fn batches(connector: &'static dyn Connector, options: &[(&str, &str)]) -> Vec<RecordBatch> {
    let parsed: Options = options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let columns = connector.default_columns(&parsed).unwrap();
    generate(&spec(connector, &columns, options))
}

fn generate(spec: &SourceSpec) -> Vec<RecordBatch> {
    assert!(!spec.connector.live(&spec.options));
    let mut batches = Vec::new();
    for reader in &mut open_all(spec).unwrap() {
        while let Read::Rows(decoded) = reader.read().unwrap() {
            batches.push(decoded.batch);
        }
    }
    batches
}

fn one(batches: &[RecordBatch]) -> RecordBatch {
    arrow_select::concat::concat_batches(&batches[0].schema(), batches).unwrap()
}

fn long(batch: &RecordBatch, name: &str) -> Vec<i64> {
    batch.column_by_name(name).unwrap().as_primitive::<Int64Type>().values().to_vec()
}

fn time(batch: &RecordBatch, name: &str) -> Vec<i64> {
    batch.column_by_name(name).unwrap().as_primitive::<TimestampMillisecondType>().values().to_vec()
}

#[test]
fn bounded_generators_repeat_and_seeds_differ() {
    type Case = (&'static dyn Connector, &'static [(&'static str, &'static str)]);
    let cases: &[Case] = &[
        (&Datagen, &[("kind", "mixed"), ("number-of-rows", "20000"), ("disorder", "2 s"), ("late-rate", "0.01")]),
        (&Nexmark, &[("events.num", "20000")]),
        (&Nexmark, &[("events.num", "20000"), ("table", "auction")]),
    ];
    for (connector, options) in cases {
        let first = batches(*connector, options);
        assert_eq!(first, batches(*connector, options));
        let split: Vec<_> = options.iter().copied().chain([("partitions", "3")]).collect();
        let sizes = |batches: &[RecordBatch]| batches.iter().map(RecordBatch::num_rows).sum::<usize>();
        let split = batches(*connector, &split);
        assert_eq!(sizes(&split), sizes(&first));
        assert!(split.iter().all(|batch| first.contains(batch)), "the same rows, another order");
        let seeded: Vec<_> = options.iter().copied().chain([("seed", "1")]).collect();
        assert_ne!(first, batches(*connector, &seeded));
    }
}

#[test]
fn flat_and_nested_nexmark_hold_the_same_rows() {
    let nested = one(&batches(&Nexmark, &[("events.num", "30000"), ("tps", "1000")]));
    assert_eq!(nested.num_rows(), 30_000);
    let kinds = nested.column(0).as_primitive::<Int32Type>().values();
    for (number, (name, share)) in [("person", 1), ("auction", 3), ("bid", 46)].into_iter().enumerate() {
        let rows: Vec<u32> = (0..30_000).filter(|row| kinds[*row as usize] == number as i32).collect();
        assert_eq!(rows.len(), 600 * share);
        let flat = one(&batches(&Nexmark, &[("events.num", "30000"), ("tps", "1000"), ("table", name)]));
        let column = nested.column_by_name(name).unwrap();
        assert_eq!(column.null_count(), 30_000 - rows.len());
        let taken = arrow_select::take::take(column, &arrow_array::UInt32Array::from(rows), None).unwrap();
        assert_eq!(taken.as_struct().columns(), flat.columns());
    }
    let expected: Vec<i64> = (0..30_000).map(|event| 1_767_225_600_000 + event).collect();
    assert_eq!(time(&nested, "dateTime"), expected);
}

#[test]
fn nexmark_is_shaped_as_defined() {
    let bids = one(&batches(&Nexmark, &[("events.num", "500000"), ("table", "bid")]));
    let auctions = one(&batches(&Nexmark, &[("events.num", "500000"), ("table", "auction")]));
    let persons = one(&batches(&Nexmark, &[("events.num", "500000"), ("table", "person")]));
    let rows = bids.num_rows();
    assert_eq!((rows, auctions.num_rows(), persons.num_rows()), (460_000, 30_000, 10_000));
    assert_eq!(long(&persons, "id"), (1000..11_000).collect::<Vec<_>>());
    assert_eq!(long(&auctions, "id"), (1000..31_000).collect::<Vec<_>>());
    let share = |values: &[i64], test: &dyn Fn(i64) -> bool| {
        values.iter().filter(|value| test(**value)).count() as f64 / values.len() as f64
    };
    assert!((share(&long(&bids, "auction"), &|id| id % 100 == 0) - 0.505).abs() < 0.01, "half go to hot auctions");
    assert!(
        (share(&long(&bids, "bidder"), &|id| id % 100 == 1) - 0.7525).abs() < 0.01,
        "three quarters of hot bidders"
    );
    assert!((share(&long(&auctions, "seller"), &|id| id % 100 == 0) - 0.7525).abs() < 0.01);
    let prices = long(&bids, "price");
    assert!(prices.iter().all(|price| (100..=100_000_000).contains(price)));
    assert!((share(&prices, &|price| price < 100_000) - 0.5).abs() < 0.01, "prices are spread over six decades");
    let channels = bids.column_by_name("channel").unwrap().as_string::<i32>();
    let urls = bids.column_by_name("url").unwrap().as_string::<i32>();
    let hot = channels.iter().flatten().filter(|channel| !channel.starts_with("channel-")).count();
    assert!((hot as f64 / rows as f64 - 0.5).abs() < 0.01);
    let mut of_channel: BTreeMap<&str, &str> = BTreeMap::new();
    for (channel, url) in channels.iter().flatten().zip(urls.iter().flatten()) {
        assert_eq!(*of_channel.entry(channel).or_insert(url), url, "a channel has one address");
        assert!(url.starts_with("https://www.nexmark.com/") && url.contains("/item.htm?query=1"));
    }
    assert_eq!(of_channel.len(), 10_004);
    let (opened, expires) = (time(&auctions, "dateTime"), time(&auctions, "expires"));
    assert!(opened.iter().zip(&expires).all(|(opened, expires)| opened < expires && expires - opened <= 333));
    let size = |column: &str, batch: &RecordBatch| {
        batch.column_by_name(column).unwrap().as_string::<i32>().values().len() as f64 / batch.num_rows() as f64
    };
    assert!((size("extra", &bids) - 68.0).abs() < 1.0);
    let person: f64 = ["name", "emailAddress", "creditCard", "city", "state", "extra"]
        .iter()
        .map(|column| size(column, &persons))
        .sum();
    assert!((person + 8.0 - 200.0).abs() < 2.0, "{person}");
}

#[test]
fn nexmark_can_be_out_of_order_and_narrow() {
    let mut spec = spec(
        &Nexmark,
        &Nexmark.default_columns(&Options::default()).unwrap(),
        &[("events.num", "1000"), ("out-of-order.group-size", "100"), ("tps", "1000")],
    );
    spec.decode = vec![4];
    let times = time(&one(&generate(&spec)), "dateTime");
    assert!(times.windows(2).any(|pair| pair[0] > pair[1]));
    let mut sorted = times;
    sorted.sort_unstable();
    assert!(sorted.windows(2).all(|pair| pair[1] == pair[0] + 1), "within a group the times change places");
}

#[test]
fn times_may_be_instants() {
    let instant = DataType::Timestamp(TimeUnit::Millisecond, Some("+00:00".into()));
    let field = |kind: &DataType| Arc::new(Field::new("ts", kind.clone(), true));
    for options in [&[("number-of-rows", "9"), ("kind", "sensor")][..], &[("number-of-rows", "9")]] {
        let made = |kind: &DataType| one(&generate(&spec(&Datagen, &[field(kind)], options)));
        let found = made(&instant);
        assert_eq!(found.column(0).data_type(), &instant);
        assert_eq!(time(&found, "ts"), time(&made(&DataType::Timestamp(TimeUnit::Millisecond, None)), "ts"));
    }
}

#[test]
fn the_refusals_of_generators_say_what_would_do() {
    let refused = |connector: &'static dyn Connector, columns: &[(&str, DataType)], options: &[(&str, &str)]| {
        let columns: Vec<FieldRef> =
            columns.iter().map(|(name, kind)| Arc::new(Field::new(*name, kind.clone(), true)) as FieldRef).collect();
        connector.check(&spec(connector, &columns, options)).unwrap_err().to_string()
    };
    assert!(refused(&Nexmark, &[("price", DataType::Int64)], &[]).contains("it has event_type, person"));
    assert!(refused(&Nexmark, &[("price", DataType::Utf8)], &[("table", "bid")]).contains("is BIGINT, not VARCHAR"));
    assert!(refused(&Nexmark, &[], &[("next-event.rate", "5")]).contains("the rate does not change"));
    assert!(refused(&Datagen, &[("x", DataType::Int64)], &[("fields.y.min", "1")]).contains("no column 'y'"));
    assert!(refused(&Datagen, &[("x", DataType::Int64)], &[("fields.x.least", "1")]).contains("kind|min|max"));
    assert!(refused(&Datagen, &[("x", DataType::Int8)], &[("fields.x.max", "300")]).contains("within -128 to 127"));
    assert!(refused(&Datagen, &[("x", DataType::Date32)], &[]).contains("cannot make column 'x'"));
    assert!(refused(&Datagen, &[("x", DataType::Int64)], &[("kind", "user")]).contains("it has user_id, session_id"));
    assert!(refused(&Datagen, &[], &[("late-rate", "2")]).contains("share from 0 to 1"));
}

#[test]
fn datagen_follows_the_options_of_its_fields() {
    let columns: Vec<FieldRef> = [
        ("n", DataType::Int64),
        ("Small", DataType::Int8),
        ("d", DataType::Float64),
        ("t", DataType::Utf8),
        ("ts", DataType::Timestamp(TimeUnit::Millisecond, None)),
        ("truth", DataType::Boolean),
        ("any", DataType::Int64),
        ("few", DataType::Utf8),
    ]
    .into_iter()
    .map(|(name, kind)| Arc::new(Field::new(name, kind, true)) as FieldRef)
    .collect();
    let options = [
        ("number-of-rows", "20000"),
        ("rows-per-second", "100"),
        ("start", "1969-12-31 23:59:50"),
        ("fields.n.kind", "sequence"),
        ("fields.n.start", "-5"),
        ("fields.n.end", "9994"),
        ("fields.small.min", "-3"),
        ("fields.small.max", "3"),
        ("fields.d.min", "-1.5"),
        ("fields.d.max", "2.5"),
        ("fields.t.length", "20"),
        ("fields.t.null-rate", "0.25"),
        ("fields.ts.max-past", "1 s"),
        ("fields.few.values", "50"),
        ("fields.few.length", "9"),
    ];
    let batch = one(&generate(&spec(&Datagen, &columns, &options)));
    assert_eq!(long(&batch, "n"), (-5..9995).collect::<Vec<_>>(), "the sequence ends it");
    let small = batch.column(1).as_primitive::<Int8Type>().values();
    assert!((-3..=3).all(|value| small.contains(&value)) && small.iter().all(|value| (-3..=3).contains(value)));
    let reals = batch.column(2).as_primitive::<Float64Type>().values();
    assert!(
        reals.iter().all(|value| (-1.5..2.5).contains(value)) && (reals.iter().sum::<f64>() / 1e4 - 0.5).abs() < 0.05
    );
    let texts = batch.column(3).as_string::<i32>();
    assert!(
        (texts.null_count() as f64 / 1e4 - 0.25).abs() < 0.02 && texts.iter().flatten().all(|text| text.len() == 20)
    );
    let times = time(&batch, "ts");
    let behind: Vec<i64> = times.iter().enumerate().map(|(row, time)| -10_000 + row as i64 * 10 - time).collect();
    assert!(behind.iter().all(|behind| (0..=1000).contains(behind)) && behind.iter().any(|behind| *behind > 900));
    let few: BTreeSet<_> = batch.column_by_name("few").unwrap().as_string::<i32>().iter().flatten().collect();
    assert!(few.len() == 50 && few.iter().all(|text| text.len() == 9));
    let any = long(&batch, "any");
    assert!(any.iter().any(|value| *value < 0) && any.iter().any(|value| *value > i64::MAX / 2));
}

#[test]
fn ready_kinds_are_disordered_and_late_as_asked() {
    let options = [
        ("kind", "mixed"),
        ("number-of-rows", "50000"),
        ("rows-per-second", "1000"),
        ("disorder", "500 ms"),
        ("late-rate", "0.02"),
    ];
    let batch = one(&batches(&Datagen, &options));
    let (mut latest, mut late, mut disordered) = (i64::MIN, 0, 0);
    for time in time(&batch, "ts") {
        latest = latest.max(time);
        disordered += usize::from(time < latest);
        late += usize::from(time < latest - 500);
    }
    assert!(disordered > 40_000 && (900..1100).contains(&late), "{disordered} {late}");
    let types = batch.column_by_name("type").unwrap().as_string::<i32>();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    types.iter().flatten().for_each(|kind| *counts.entry(kind).or_default() += 1);
    for (kind, share) in [("sensor", 0.60), ("user", 0.25), ("system", 0.15)] {
        assert!((counts[kind] as f64 / 50_000.0 - share).abs() < 0.01);
        let columns = Datagen.default_columns(&[("kind".to_owned(), kind.to_owned())].into_iter().collect()).unwrap();
        for column in columns.iter().filter(|column| column.name() != "ts") {
            let values = batch.column_by_name(column.name()).unwrap();
            assert_eq!(50_000 - values.null_count(), counts[kind], "{}", column.name());
        }
    }
    let sensors = one(&batches(&Datagen, &[("kind", "sensor"), ("number-of-rows", "50000"), ("rows-per-second", "1")]));
    let (kinds, values) = (sensors.column(1).as_string::<i32>(), sensors.column(3).as_primitive::<Float64Type>());
    let temperatures: Vec<f64> =
        (0..50_000).filter(|row| kinds.value(*row) == "temperature").map(|row| values.value(row)).collect();
    let odd =
        temperatures.iter().filter(|value| !(10.0..32.0).contains(*value)).count() as f64 / temperatures.len() as f64;
    assert!((0.008..0.012).contains(&odd), "{odd}");
}

#[test]
fn live_generators_keep_the_pace() {
    let columns = Datagen.default_columns(&[("kind".to_owned(), "user".to_owned())].into_iter().collect()).unwrap();
    let spec = spec(&Datagen, &columns, &[("kind", "user"), ("rows-per-second", "2000")]);
    assert!(Datagen.live(&spec.options));
    let mut reader = open_all(&spec).unwrap().remove(0);
    let (clock, mut rows, before) = (crate::time::Clock::start(), 0, crate::time::now_ms());
    while clock.elapsed_ms() < 300 {
        match reader.read().unwrap() {
            Read::Rows(decoded) => {
                rows += decoded.batch.num_rows();
                assert!(
                    time(&decoded.batch, "ts")
                        .iter()
                        .all(|time| (before - 50..=crate::time::now_ms() + 1).contains(time))
                );
            }
            Read::Wait(pause) => std::thread::sleep(pause),
            Read::Begins(_) => {}
            Read::End => panic!("it does not end"),
        }
    }
    assert!((300..900).contains(&rows), "{rows}");
}
