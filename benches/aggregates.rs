//! What a row costs in each aggregate: `Accumulator::update` alone, 8,192 rows a batch, groups at random.
//!
//! `cargo bench --bench aggregates` prints rows/s for 1,000 and for 100,000 groups.
//!
//! ns of CPU a row on one hyperthread of a 2-core Xeon (2 MiB L2 a core) that was compiling beside it, so upper bounds;
//! 1,000 and 100,000 groups:
//!
//! | | 1 k | 100 k | | 1 k | 100 k |
//! | --- | --- | --- | --- | --- | --- |
//! | COUNT(*) | 0.9 | 1.7 | MIN(VARCHAR) | 9 | 93 |
//! | SUM, AVG of BIGINT | 1.4 | 4 | LAST_VALUE(BIGINT) | 30 | 75 |
//! | SUM, AVG of DOUBLE | 3.5 | 10 | COUNT(DISTINCT BIGINT) | 29 | 106 |
//! | SUM of DOUBLE, far apart | 14 | 91 | COUNT(DISTINCT VARCHAR) | 57 | 76 |
//! | MIN, MAX of BIGINT | 1.2 | 1.7 | MEDIAN(BIGINT) | 30 | 42 |
//! | MIN, MAX of DOUBLE | 1.8 | 2.0 | APPROX_PERCENTILE(DOUBLE) | 46 | 91 |
//! | VAR_SAMP(BIGINT) | 10 | 52 | APPROX_COUNT_DISTINCT(BIGINT) | 30 | 91 |
//! | VAR_SAMP(DOUBLE) | 27 | 87 | ARRAY_AGG(BIGINT) | 220 | 183 |

use std::hint::black_box;
use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, Int64Array, StringArray};
use arrow_schema::{DataType, SortOptions};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use datafusion_common::ScalarValue;
use highwater_core::aggregate::{Aggregate, Call, Input, accumulator, find};

const ROWS: usize = 8_192;
const BATCHES: usize = 32;

/// SplitMix64.
fn random(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *seed;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// One batch.
struct Batch {
    groups: Vec<u32>,
    args: Vec<ArrayRef>,
    order: Vec<ArrayRef>,
}

/// A column: whole numbers, prices, measurements over many orders of magnitude, words; one in ten NULL if `nulls`.
fn column(kind: &str, nulls: bool, seed: &mut u64) -> ArrayRef {
    let mut rows: Vec<Option<u64>> = (0..ROWS).map(|_| Some(random(seed))).collect();
    if nulls {
        rows.iter_mut().for_each(|row| *row = row.filter(|value| value % 10 > 0));
    }
    let rows = rows.into_iter();
    match kind {
        "BIGINT" => Arc::new(rows.map(|row| row.map(|value| (value >> 40) as i64)).collect::<Int64Array>()),
        "DOUBLE" => Arc::new(rows.map(|row| row.map(|value| (value >> 40) as f64 * 0.01)).collect::<Float64Array>()),
        "DOUBLE far apart" => {
            let far = |value: u64| (value >> 40) as f64 * 10f64.powi((value % 200) as i32 - 100);
            Arc::new(rows.map(|row| row.map(far)).collect::<Float64Array>())
        }
        _ => Arc::new(rows.map(|row| row.map(|value| format!("page-{}", value % 5_000))).collect::<StringArray>()),
    }
}

/// Times an aggregate over a column.
fn time(criterion: &mut Criterion, name: &str, kind: &str, form: &str) {
    let Some(function) = find(name) else { unreachable!("{name} is in the registry") };
    let function: &dyn Aggregate = &*function;
    let given = match kind {
        "*" => vec![],
        "BIGINT" => vec![DataType::Int64],
        "VARCHAR" => vec![DataType::Utf8],
        _ => vec![DataType::Float64],
    };
    let literals = vec![ScalarValue::from(0.99); usize::from(name.contains("PERCENTILE"))];
    let signature = function.bind(&given, &literals).expect("the arguments fit");
    let order = match function.ordered() {
        true => vec![(DataType::Int64, SortOptions::default()); 2],
        false => vec![],
    };
    let call = Call {
        args: signature.args,
        literals,
        output: signature.output,
        order,
        distinct: form == "distinct",
        retracting: form == "retracting",
    };
    let mut group = criterion.benchmark_group(format!("{name}({kind}) {form}").trim_end().to_owned());
    group.throughput(Throughput::Elements((ROWS * BATCHES) as u64));
    for groups in [1_000u64, 100_000] {
        let mut seed = 1;
        let batch = |_| Batch {
            groups: (0..ROWS).map(|_| (random(&mut seed) % groups) as u32).collect(),
            args: if kind == "*" { vec![] } else { vec![column(kind, form == "nulls", &mut seed)] },
            order: call.order.iter().map(|_| column("BIGINT", false, &mut seed)).collect(),
        };
        let batches: Vec<Batch> = (0..BATCHES).map(batch).collect();
        let all: Vec<u32> = (0..groups as u32).collect();
        let mut state = accumulator(function, &call);
        state.resize(groups as usize);
        group.bench_function(BenchmarkId::from_parameter(groups), |bencher| {
            bencher.iter(|| {
                for Batch { groups, args, order } in &batches {
                    state.update(groups, &Input { args, order, keep: None, diffs: None });
                }
                // What keeps rows would grow from round to round.
                if matches!(name, "MEDIAN" | "APPROX_PERCENTILE" | "ARRAY_AGG") || form == "retracting" {
                    state.reset(&all);
                }
                black_box(&state);
            });
        });
        black_box(state.evaluate(&all));
    }
}

fn aggregates(criterion: &mut Criterion) {
    time(criterion, "COUNT", "*", "");
    for name in ["SUM", "AVG", "MIN", "MAX"] {
        time(criterion, name, "BIGINT", "");
        time(criterion, name, "DOUBLE", "");
    }
    time(criterion, "SUM", "BIGINT", "nulls");
    time(criterion, "SUM", "DOUBLE far apart", "");
    time(criterion, "MIN", "VARCHAR", "");
    time(criterion, "MIN", "BIGINT", "retracting");
    time(criterion, "VAR_SAMP", "BIGINT", "");
    time(criterion, "VAR_SAMP", "DOUBLE", "");
    time(criterion, "COUNT", "BIGINT", "distinct");
    time(criterion, "COUNT", "VARCHAR", "distinct");
    time(criterion, "APPROX_COUNT_DISTINCT", "BIGINT", "");
    time(criterion, "MEDIAN", "BIGINT", "");
    time(criterion, "APPROX_PERCENTILE", "DOUBLE", "");
    time(criterion, "LAST_VALUE", "BIGINT", "");
    time(criterion, "ARRAY_AGG", "BIGINT", "");
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10).without_plots();
    targets = aggregates
}
criterion_main!(benches);
