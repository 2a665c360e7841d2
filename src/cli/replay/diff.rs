//! What a view would be with another program: both run over the same input, and the rows that only one of them ends with are
//! printed, in order of the view's key.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::io::{BufWriter, Write};

use serde_json::Value;

use super::super::Outcome;
use super::super::progress::counted;
use super::{Past, Replay, config, failed, folders};
use highwater_core::engine::{Engine, Recorded};
use highwater_core::format::row_as_json;
use highwater_core::plan::Dataflow;

/// The rows of a view at the end.
struct Rows {
    columns: Vec<String>,
    /// Which of them tell a row from others; all if there are none such.
    key: Vec<usize>,
    texts: Vec<String>,
}

/// Runs both, and prints how the view differs. Code 2 is for what cannot be compared: 1 says that they differ.
pub(super) fn run(args: &Replay, past: Past, view: &str) -> Result<(), Outcome> {
    let Past { recorded, was, then } = past;
    let Some(was) = was else {
        let folder = folders(args);
        return Err(Outcome::usage(format!(
            "--diff {view}: the program of the run is not kept in {folder}, so what it came to is not known"
        )));
    };
    let sides = [("the program of the run", was), ("the other program", then.dataflow)];
    let [was, then] = sides.map(|(which, dataflow)| rows(which, dataflow, view, args, &recorded));
    let (was, then) = (was?, then?);
    let (lines, both) = differing(&was, &then);
    let mut out = BufWriter::new(std::io::stdout().lock());
    // Whoever reads may have seen enough.
    let _ = lines.iter().try_for_each(|(side, text)| writeln!(out, "{side}{text}")).and_then(|()| out.flush());
    drop(out);
    let count = |side| counted(lines.iter().filter(|(of, _)| *of == side).count() as u64, "row");
    if was.columns != then.columns {
        tracing::info!("the columns differ: were {}; would be {}", was.columns.join(", "), then.columns.join(", "));
    }
    tracing::info!("'{view}': {} gone (-), {} new (+), {} the same", count('-'), count('+'), counted(both, "row"));
    if lines.is_empty() { Ok(()) } else { Err(Outcome::Differs) }
}

/// Runs a program over the past; the rows of the view at its end.
fn rows(which: &str, mut dataflow: Dataflow, view: &str, args: &Replay, recorded: &Recorded) -> Result<Rows, Outcome> {
    dataflow.sinks.clear();
    let known: Vec<String> = dataflow.views.iter().map(|view| format!("'{}'", view.name)).collect();
    let exact = dataflow.views.iter().position(|spec| spec.name == view);
    let found = exact.or_else(|| dataflow.views.iter().position(|spec| spec.name.eq_ignore_ascii_case(view)));
    let Some(found) = found else {
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        return Err(Outcome::usage(format!("--diff {view}: {which} publishes no such view; it has {known}")));
    };
    let spec = dataflow.views.swap_remove(found);
    dataflow.views = vec![spec.clone()];
    let config = config(args, recorded.clone()).with(|config| {
        config.views = true;
        config.view_rows = usize::MAX;
        config.dead_letters_file = None;
    });
    let engine = Engine::start(dataflow, config).map_err(trouble)?;
    engine.wait().map_err(trouble)?;
    let Some(view) = engine.views().get(&spec.name) else { unreachable!("it was asked for") };
    let batch = view.snapshot().batch;
    let texts = (0..batch.num_rows()).map(|row| row_as_json(batch.schema_ref(), batch.columns(), row));
    let columns = batch.schema().fields().iter().map(|field| field.name().clone()).collect();
    Ok(Rows { columns, key: spec.key.unwrap_or_default(), texts: texts.collect() })
}

fn trouble(error: highwater_core::engine::EngineError) -> Outcome {
    match failed(error) {
        Outcome::Failed(why) => Outcome::usage(why),
        other => other,
    }
}

/// The rows that only one side has (`-` the first, `+` the second), and how many both have. A row may be there several times.
fn differing(was: &Rows, then: &Rows) -> (Vec<(char, String)>, u64) {
    let mut more: HashMap<&str, i64> = HashMap::new();
    for text in &then.texts {
        *more.entry(text).or_default() += 1;
    }
    for text in &was.texts {
        *more.entry(text).or_default() -= 1;
    }
    let same =
        was.texts.len() as u64 - more.values().filter(|more| **more < 0).map(|more| more.unsigned_abs()).sum::<u64>();
    let mut lines: Vec<(Vec<Value>, char, &str)> = Vec::new();
    for (text, more) in more {
        let (side, rows) = if more < 0 { ('-', was) } else { ('+', then) };
        for _ in 0..more.unsigned_abs() {
            lines.push((key(rows, text), side, text));
        }
    }
    lines.sort_by(|(a, was, text), (b, then, other)| {
        compared(a, b).then_with(|| (*was == '+').cmp(&(*then == '+'))).then_with(|| text.cmp(other))
    });
    (lines.into_iter().map(|(_, side, text)| (side, text.to_owned())).collect(), same)
}

/// What a row is ordered by: its key, or all of it.
fn key(rows: &Rows, text: &str) -> Vec<Value> {
    let Ok(Value::Object(mut row)) = serde_json::from_str(text) else { return Vec::new() };
    let all = (0..rows.columns.len()).collect();
    let key = if rows.key.is_empty() { &all } else { &rows.key };
    key.iter().filter_map(|&column| row.remove(rows.columns.get(column)?)).collect()
}

/// Numbers by size, texts by their letters, nothing first.
fn compared(a: &[Value], b: &[Value]) -> Ordering {
    let one = |a: &Value, b: &Value| match (a, b) {
        (Value::Number(x), Value::Number(y)) => {
            let whole = x.as_i64().zip(y.as_i64()).map(|(x, y)| x.cmp(&y));
            whole.unwrap_or_else(|| x.as_f64().unwrap_or(f64::NAN).total_cmp(&y.as_f64().unwrap_or(f64::NAN)))
        }
        (Value::String(x), Value::String(y)) => x.cmp(y),
        (Value::Null, Value::Null) => Ordering::Equal,
        (Value::Null, _) => Ordering::Less,
        (_, Value::Null) => Ordering::Greater,
        _ => a.to_string().cmp(&b.to_string()),
    };
    let differs = a.iter().zip(b).map(|(a, b)| one(a, b)).find(|order| order.is_ne());
    differs.unwrap_or_else(|| a.len().cmp(&b.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(key: Vec<usize>, texts: &[&str]) -> Rows {
        let texts = texts.iter().map(|text| (*text).to_owned()).collect();
        Rows { columns: vec!["k".to_owned(), "n".to_owned()], key, texts }
    }

    #[test]
    fn rows_of_one_side_stand_by_their_keys() {
        let was =
            rows(vec![0], &["{\"k\":10,\"n\":1}", "{\"k\":9,\"n\":1}", "{\"k\":null,\"n\":1}", "{\"k\":7,\"n\":7}"]);
        let then = rows(vec![0], &["{\"k\":7,\"n\":7}", "{\"k\":9,\"n\":2}", "{\"k\":10,\"n\":0}"]);
        let (lines, same) = differing(&was, &then);
        let lines: Vec<String> = lines.into_iter().map(|(side, text)| format!("{side}{text}")).collect();
        assert_eq!(same, 1);
        assert_eq!(
            lines,
            [
                "-{\"k\":null,\"n\":1}",
                "-{\"k\":9,\"n\":1}",
                "+{\"k\":9,\"n\":2}",
                "-{\"k\":10,\"n\":1}",
                "+{\"k\":10,\"n\":0}"
            ]
        );
    }

    #[test]
    fn a_row_is_counted_as_often_as_it_is_there() {
        let was = rows(Vec::new(), &["{\"k\":1}", "{\"k\":1}", "{\"k\":2}"]);
        let then = rows(Vec::new(), &["{\"k\":1}", "{\"k\":2}", "{\"k\":2}"]);
        let (lines, same) = differing(&was, &then);
        assert_eq!((lines, same), (vec![('-', "{\"k\":1}".to_owned()), ('+', "{\"k\":2}".to_owned())], 2));
        assert_eq!(differing(&was, &was), (Vec::new(), 3));
    }
}
