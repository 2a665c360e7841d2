//! Rows per second of the generators, one partition each. `cargo bench --bench generate [-- EVENTS]`

use std::sync::Arc;
use std::time::Instant;

use arrow_schema::Schema;
use highwater_core::options::Options;
use highwater_core::source::{CONNECTORS, Read, SourceSpec};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let events = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(5_000_000_u64);
    println!("{events} events; million rows/s (per second of CPU, where it is shared)");
    for (connector, options, columns) in [
        ("nexmark", &[("table", "bid")][..], &["auction", "price", "dateTime"][..]),
        ("nexmark", &[("table", "bid")], &["auction", "bidder", "price", "channel", "url", "dateTime"]),
        ("nexmark", &[("table", "bid")], &[]),
        ("nexmark", &[("table", "auction")], &["id", "seller", "dateTime", "expires"]),
        ("nexmark", &[], &["event_type", "bid", "dateTime"]),
        ("nexmark", &[], &[]),
        ("datagen", &[("kind", "sensor")], &["sensor_id", "value", "ts"]),
        ("datagen", &[("kind", "mixed")], &[]),
    ] {
        let begun = (Instant::now(), cpu_seconds());
        let rows = generate(connector, options, columns, events);
        let of = |seconds: f64| rows as f64 / 1e6 / seconds;
        let (wall, cpu) = (of(begun.0.elapsed().as_secs_f64()), of(cpu_seconds() - begun.1));
        let what = options.iter().map(|(_, value)| *value).chain(columns.iter().copied()).collect::<Vec<_>>().join(" ");
        println!("{:<70} {wall:>8.2} ({cpu:.2})", format!("{connector} {what}"));
    }
}

/// Makes all events; only these columns, or all if none are named.
fn generate(connector: &str, options: &[(&str, &str)], columns: &[&str], events: u64) -> usize {
    let connector = *CONNECTORS.iter().find(|known| known.name() == connector).expect("it is a source");
    let events = events.to_string();
    let length = if connector.name() == "nexmark" { "events.num" } else { "number-of-rows" };
    let options: Options = options
        .iter()
        .chain(&[(length, events.as_str())])
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let physical = Arc::new(Schema::new(connector.default_columns(&options).expect("it has columns of its own")));
    let wanted = |column: &usize| columns.is_empty() || columns.contains(&physical.field(*column).name().as_str());
    let decode: Vec<usize> = (0..physical.fields().len()).filter(wanted).collect();
    let schema = Arc::new(physical.project(&decode).expect("the columns are there"));
    let mut spec = SourceSpec::new("bench", connector.into(), physical);
    spec.options = options;
    (spec.output, spec.schema) = ((0..decode.len()).collect(), schema);
    spec.decode = decode;
    let mut rows = 0;
    for reader in &mut highwater_core::source::open_all(&spec).expect("the options are right") {
        while let Read::Rows(decoded) = reader.read().expect("generators do not fail") {
            rows += decoded.batch.num_rows();
        }
    }
    rows
}

/// Seconds of CPU that the process has used, in hundredths, as Linux tells; elsewhere nothing, and the figure is infinite.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}
