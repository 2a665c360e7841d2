//! Rows per second of decoding JSON lines of 218 bytes: the bare decoder in memory on 1 and 2 threads, arrow-json on the
//! same bytes for comparison, and the `filesystem` source over a file; then a whole program, from the file into windows of
//! 10 s per key, beside the bare decoder of the same columns on as many threads; then what a field costs in rows of 10 to 5,000
//! columns. `cargo bench --bench decode [-- ROWS]`, `cargo bench --bench decode -- wide` for the last alone.
//!
//! Whole programs from a file of four million fields into nothing, nanoseconds of CPU a field without what planning takes, at 10,
//! 100, 1,000 and 5,000 columns: CSV 28, 28, 32, 70; JSON 33, 33, 45, 80 (two virtual processors that others used too).

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use highwater_core::format::{self, Decoding, Layout, Records, TextDecoding};
use highwater_core::options::Options;
use highwater_core::source::{CONNECTORS, Read, SourceSpec};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Bytes of a row, with its newline.
const ROW: usize = 218;
/// Bytes that a decoder takes at a time, about.
const CHUNK: usize = 1 << 20;
const RUNS: usize = 5;

fn main() {
    if std::env::args().any(|argument| argument == "wide") {
        return wide();
    }
    let rows = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(1_000_000);
    let text = generate(rows);
    println!(
        "{rows} rows of {ROW} bytes; million rows/s, median of {RUNS} runs (per second of CPU, where it is shared)"
    );
    println!(
        "{:<20} {:>15} {:>15} {:>15} {:>15} {:>15}",
        "", "1 thread", "2 threads", "arrow-json", "file, 1", "file, 2"
    );
    let file = std::env::temp_dir().join(format!("highwater-decode-{}.ndjson", std::process::id()));
    std::fs::write(&file, &text).expect("the folder for temporary files takes the rows");
    for (name, columns) in [
        ("all 9 columns", (0..9).collect::<Vec<_>>()),
        ("page, duration, ts", vec![2, 4, 8]),
        ("ts", vec![8]),
        ("none (count)", vec![]),
    ] {
        let layout = Layout::new(&schema(), &columns, &Options::default()).expect("no options are given");
        let Ok(Decoding::Text(decoding)) =
            format::find("json").expect("json is a format").decoding(&layout, &Options::default())
        else {
            panic!("json is a text format")
        };
        let records = begun(decoding.as_ref(), &text);
        let of = |threads| rate(rows, || decode(&records, &text, threads));
        let arrow = rate(rows, || arrow_json(&layout.wanted, &text));
        let source = |threads| rate(rows, || read(&file, &columns, threads));
        let (one, two) = (source("1"), source("2"));
        println!("{name:<20} {:>15} {:>15} {arrow:>15} {one:>15} {two:>15}", of(1), of(2));
    }
    println!("\nfile to 10 s windows per page, of the bare decoder's rate on the same columns");
    for threads in [1, 2] {
        let (bare, windows) = side_by_side(rows, &text, &file, threads);
        println!("decode-threads = {threads}: {windows:.2} of {bare:.2} million rows/s, {:.2}", windows / bare);
    }
    let _ = std::fs::remove_file(&file);
    wide();
}

/// What a field costs by the number of columns; 4 million fields, on one thread, in chunks as a source reads them.
fn wide() {
    const FIELDS: usize = 4_000_000;
    println!("\nns a field, one thread, median of {RUNS} runs\n{:<10} {:>10} {:>10}", "columns", "csv", "json");
    for columns in [10, 100, 1_000, 5_000] {
        let names: Vec<String> = (0..columns).map(|column| format!("column_{column}")).collect();
        let fields = names.iter().map(|name| Field::new(name, DataType::Int64, true)).collect::<Vec<_>>();
        let layout =
            Layout::new(&Arc::new(Schema::new(fields)), &(0..columns).collect::<Vec<_>>(), &Options::default());
        let layout = layout.expect("no options are given");
        let cost = |format: &str| {
            let Ok(Decoding::Text(decoding)) =
                format::find(format).expect("it is a format").decoding(&layout, &Options::default())
            else {
                panic!("{format} is a text format")
            };
            let text = of_columns(format, &names, FIELDS / columns);
            let begun = decoding.begin(&text, true).ok().flatten().expect("it is as declared");
            let mut times: Vec<f64> = (0..RUNS)
                .map(|_| {
                    let (mut decoder, mut at, mut rows) = (begun.records.decoder(), begun.skip, 0);
                    let start = Instant::now();
                    while at < text.len() {
                        let cut = begun.records.cut(&text[at..text.len().min(at + CHUNK.max(columns * 2048))]);
                        rows += decoder.decode(&text[at..at + cut]).batch.num_rows();
                        at += cut;
                    }
                    assert_eq!(rows, FIELDS / columns);
                    start.elapsed().as_secs_f64() * 1e9 / FIELDS as f64
                })
                .collect();
            times.sort_by(f64::total_cmp);
            times[RUNS / 2]
        };
        println!("{columns:<10} {:>10.1} {:>10.1}", cost("csv"), cost("json"));
    }
}

/// Rows of whole numbers.
fn of_columns(format: &str, names: &[String], rows: usize) -> Vec<u8> {
    let mut text = String::new();
    if format == "csv" {
        text.push_str(&names.join(","));
        text.push('\n');
    }
    for row in 0..rows {
        let value = |column: usize| (row * 31 + column * 7) % 100_000;
        let fields = names.iter().enumerate().map(|(column, name)| match format {
            "csv" => value(column).to_string(),
            _ => format!("\"{name}\":{}", value(column)),
        });
        let line = fields.collect::<Vec<_>>().join(",");
        text.push_str(&if format == "csv" { format!("{line}\n") } else { format!("{{{line}}}\n") });
    }
    text.into_bytes()
}

/// How the records of `text` are read.
fn begun(decoding: &dyn TextDecoding, text: &[u8]) -> Arc<dyn Records> {
    decoding.begin(text, true).ok().flatten().expect("JSON begins with anything").records
}

/// Million rows a second of the bare decoder and of the windows, run in turn; medians.
fn side_by_side(rows: usize, text: &[u8], file: &std::path::Path, threads: usize) -> (f64, f64) {
    let layout = Layout::new(&schema(), &[2, 4, 8], &Options::default()).expect("no options are given");
    let Ok(Decoding::Text(decoding)) =
        format::find("json").expect("json is a format").decoding(&layout, &Options::default())
    else {
        panic!("json is a text format")
    };
    let records = begun(decoding.as_ref(), text);
    let timed = |run: &dyn Fn() -> usize| {
        let start = Instant::now();
        assert_eq!(run(), rows);
        rows as f64 / start.elapsed().as_secs_f64() / 1e6
    };
    let mut rates: [Vec<f64>; 2] = Default::default();
    for _ in 0..RUNS {
        rates[0].push(timed(&|| decode(&records, text, threads)));
        rates[1].push(timed(&|| windows(file, threads)));
    }
    let [bare, windows] = rates.map(|mut rates| {
        rates.sort_by(f64::total_cmp);
        rates[RUNS / 2]
    });
    (bare, windows)
}

/// Runs a program over the file: count, mean and maximum per page and 10 s. One worker, so many decoding threads beside it.
fn windows(file: &std::path::Path, threads: usize) -> usize {
    let program = format!(
        "CREATE SOURCE visits (user_id VARCHAR, session_id VARCHAR, page VARCHAR, action VARCHAR, duration DOUBLE,
           country VARCHAR, status BIGINT, referrer VARCHAR, ts TIMESTAMP(3),
           WATERMARK FOR ts AS ts - INTERVAL '60' SECOND)
         WITH ('connector' = 'filesystem', 'path' = '{}', 'format' = 'json', 'decode-threads' = '{threads}');
         CREATE SINK s WITH ('connector' = 'blackhole') AS
         SELECT page, window_start, COUNT(*) AS visits, AVG(duration) AS mean, MAX(duration) AS longest
         FROM TABLE(TUMBLE(TABLE visits, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY page, window_start, window_end",
        file.display()
    );
    let planned = highwater::sql::plan(&[("bench".to_owned(), program)], &highwater::sql::Catalog::new());
    let dataflow = planned.unwrap_or_else(|errors| panic!("{}", errors[0]));
    let config = highwater::engine::Config::default().workers(1);
    let summary = highwater::engine::Engine::start(dataflow, config).and_then(|engine| engine.wait());
    summary.expect("the run ends").rows_received as usize
}

fn schema() -> SchemaRef {
    let text = |name| Field::new(name, DataType::Utf8, true);
    Arc::new(Schema::new(vec![
        text("user_id"),
        text("session_id"),
        text("page"),
        text("action"),
        Field::new("duration", DataType::Float64, true),
        text("country"),
        Field::new("status", DataType::Int64, true),
        text("referrer"),
        Field::new("ts", DataType::Timestamp(TimeUnit::Millisecond, None), true),
    ]))
}

fn generate(rows: usize) -> Vec<u8> {
    let mut text = Vec::with_capacity(rows * ROW);
    let actions = ["view", "click", "search", "purchase"];
    for row in 0..rows {
        let start = text.len();
        let bits = (row as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 16;
        let (second, ms) = (row / 1000 % 60, row % 1000);
        let written = write!(
            text,
            "{{\"user_id\":\"user-{:06}\",\"session_id\":\"s-{:08x}\",\"page\":\"/products/{}\",\"action\":\"{}\",\"duration\":{}.{},\
             \"country\":\"DE\",\"status\":{},\"ts\":\"2026-01-01T00:00:{second:02}.{ms:03}Z\",\"referrer\":\"",
            bits % 100_000,
            bits as u32,
            bits % 977,
            actions[(bits % 4) as usize],
            bits % 900,
            bits % 1000,
            200 + bits % 300,
        );
        written.expect("memory takes all bytes");
        let used = text.len() - start;
        text.extend(b"https://www.example.com/".iter().cycle().take(ROW - used - 3));
        text.extend_from_slice(b"\"}\n");
        assert_eq!(text.len() - start, ROW);
    }
    text
}

/// Million rows a second, median, and per second of CPU; `run` answers how many rows it saw.
fn rate(rows: usize, run: impl Fn() -> usize) -> String {
    let begun = cpu_seconds();
    let mut times: Vec<f64> = (0..RUNS)
        .map(|_| {
            let start = Instant::now();
            assert_eq!(run(), rows);
            start.elapsed().as_secs_f64()
        })
        .collect();
    times.sort_by(f64::total_cmp);
    let million = rows as f64 / 1e6;
    let cpu = (RUNS as f64 * million) / (cpu_seconds() - begun);
    format!("{:.2} ({cpu:.2})", million / times[RUNS / 2])
}

/// Seconds of CPU that the process has used, in hundredths, as Linux tells; elsewhere nothing, and the figure is infinite.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}

fn decode(records: &Arc<dyn Records>, text: &[u8], threads: usize) -> usize {
    let chunk = CHUNK / ROW * ROW;
    let (next, rows) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut decoder = records.decoder();
                loop {
                    let start = next.fetch_add(chunk, Ordering::Relaxed);
                    if start >= text.len() {
                        return;
                    }
                    let part = decoder.decode(&text[start..text.len().min(start + chunk)]);
                    assert!(part.faults.is_empty());
                    rows.fetch_add(part.batch.num_rows(), Ordering::Relaxed);
                }
            });
        }
    });
    rows.into_inner()
}

/// arrow-json; it takes no empty schema, so a count reads one column.
fn arrow_json(wanted: &SchemaRef, text: &[u8]) -> usize {
    let wanted = if wanted.fields().is_empty() {
        Arc::new(Schema::new(vec![schema().field(6).clone()]))
    } else {
        wanted.clone()
    };
    let reader = arrow_json::ReaderBuilder::new(wanted).with_batch_size(8192).build(text).expect("the types are known");
    reader.map(|batch| batch.expect("the rows are good").num_rows()).sum()
}

fn read(file: &std::path::Path, decode: &[usize], threads: &str) -> usize {
    let connector =
        *CONNECTORS.iter().find(|connector| connector.name() == "filesystem").expect("filesystem is a source");
    let options = [("path", file.to_str().expect("a path in UTF-8")), ("decode-threads", threads)];
    let wanted = Arc::new(schema().project(decode).expect("the columns are there"));
    let mut spec = SourceSpec::new("bench", connector.into(), schema());
    spec.options = options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    (spec.decode, spec.output, spec.schema) = (decode.to_vec(), (0..decode.len()).collect(), wanted);
    let mut rows = 0;
    for reader in &mut highwater_core::source::open_all(&spec).expect("the file is there") {
        while let Read::Rows(decoded) = reader.read().expect("the file can be read") {
            rows += decoded.batch.num_rows();
        }
    }
    rows
}
