//! Rows that a program hands to a source itself: columns go by their names and types, whatever of them the plan reads.

use std::sync::Arc;
use std::time::Duration;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use highwater::engine::{Config, Engine, Pushed, Refused, Source};
use highwater::sql::{Catalog, plan};
use highwater_core::format::Part;
use serde::Serialize;

/// Of `s (a, b, c)` the plan reads `b` and, in another view, `c`.
const PROGRAM: &str = "
    CREATE SOURCE s (a BIGINT NOT NULL, b BIGINT, c VARCHAR) WITH ('connector' = 'http');
    CREATE SOURCE own WITH ('connector' = 'datagen', 'kind' = 'sensor', 'number-of-rows' = '1');
    CREATE MATERIALIZED VIEW bs AS SELECT b, COUNT(*) AS n FROM s GROUP BY b;
    CREATE MATERIALIZED VIEW kinds AS SELECT kind, COUNT(*) AS n FROM own GROUP BY kind;
";

fn start(data: Option<&std::path::Path>) -> Engine {
    let files = [("push.sql".to_owned(), PROGRAM.to_owned())];
    let dataflow = plan(&files, &Catalog::new()).unwrap();
    let config = Config::default().workers(1).with(|config| {
        config.data_dir = data.map(Into::into);
        config.program = files.into();
    });
    Engine::start(dataflow, config).unwrap()
}

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, true))).unwrap()
}

fn numbers(values: &[i64]) -> ArrayRef {
    Arc::new(Int64Array::from(values.to_vec()))
}

fn push(source: &Source, columns: Vec<(&str, ArrayRef)>) -> Result<Pushed, Refused> {
    source.push(vec![Part::rows(batch(columns))])
}

/// What `b` holds once a push is shown.
fn shown(engine: &Engine, pushed: &Pushed) -> Vec<Option<i64>> {
    let view = engine.views().get("bs").unwrap();
    assert!(view.wait_past(pushed.epoch.unwrap(), Duration::from_secs(20)) > pushed.epoch.unwrap());
    view.snapshot().batch.column(0).as_primitive::<Int64Type>().iter().collect()
}

#[test]
fn pushed_columns_go_by_their_names_and_never_into_another() {
    let folder = tempfile::tempdir().unwrap();
    // With a data directory all declared columns are kept, without only those that are read.
    for data in [None, Some(folder.path())] {
        let engine = start(data);
        let source = engine.source("s").unwrap();
        let pushed = push(source, vec![("a", numbers(&[111])), ("b", numbers(&[2]))]).unwrap();
        assert_eq!((pushed.accepted, shown(&engine, &pushed)), (1, vec![Some(2)]));
        let text: ArrayRef = Arc::new(StringArray::from(vec!["x"]));
        let pushed = push(source, vec![("c", text), ("b", numbers(&[3])), ("a", numbers(&[111]))]).unwrap();
        assert_eq!(shown(&engine, &pushed), [Some(2), Some(3)]);
        let pushed = push(source, vec![("a", numbers(&[111]))]).unwrap();
        assert_eq!(shown(&engine, &pushed), [None, Some(2), Some(3)], "what is not there is NULL");
    }
}

#[test]
fn what_does_not_fit_is_refused_whole_with_its_column() {
    let engine = start(None);
    let source = engine.source("s").unwrap();
    let told = |columns| push(source, columns).unwrap_err().to_string();
    let text: ArrayRef = Arc::new(StringArray::from(vec!["1", "many"]));
    let wrong = push(source, vec![("a", numbers(&[1, 2])), ("b", text)]).unwrap_err();
    let Refused::Unfit(error) = &wrong else { panic!("{wrong:?}") };
    assert_eq!((error.column.as_str(), error.row), ("b", 1), "{error}");
    assert!(std::error::Error::source(&wrong).is_some());
    assert!(wrong.to_string().starts_with("row 1, column 'b': "), "{wrong}");
    let broken: ArrayRef = Arc::new(Float64Array::from(vec![1.5]));
    assert!(told(vec![("a", numbers(&[1])), ("b", broken)]).contains("column 'b'"));
    let whole: ArrayRef = Arc::new(Float64Array::from(vec![5.0]));
    let pushed = push(source, vec![("a", numbers(&[1])), ("b", whole)]).unwrap();
    assert_eq!(shown(&engine, &pushed), [Some(5)], "the same value in another type fits");
    assert!(
        told(vec![("A", numbers(&[1]))])
            .contains("column 'A': is no column; there are 'a', 'b', 'c'; names are compared")
    );
    assert!(told(vec![("a", numbers(&[1])), ("a", numbers(&[2]))]).contains("column 'a': is there twice"));
    let own = engine.source("own").unwrap();
    let not_pushed = push(own, vec![("id", numbers(&[1]))]).unwrap_err();
    assert!(matches!(not_pushed, Refused::NotPushed { .. }), "{not_pushed}");
    assert!(not_pushed.to_string().contains("reads its rows itself, by connector 'datagen'"), "{not_pushed}");
    assert_eq!(shown(&engine, &pushed), [Some(5)], "nothing of what was refused was taken");
    assert_eq!(engine.state().name(), "running");
}

#[test]
fn rows_of_a_type_go_by_the_names_of_its_fields() {
    #[derive(Serialize)]
    struct Row {
        b: Option<i32>,
        a: u8,
    }
    let engine = start(None);
    let source = engine.source("s").unwrap();
    let rows = [Row { b: Some(7), a: 1 }, Row { b: None, a: 2 }];
    let batch = source.intake().unwrap().written(&rows).unwrap();
    let pushed = source.push(vec![Part::rows(batch)]).unwrap();
    assert_eq!((pushed.accepted, shown(&engine, &pushed)), (2, vec![None, Some(7)]));
    let error = source.intake().unwrap().written([serde_json::json!({"b": 1})]).unwrap_err();
    assert_eq!(error.to_string(), "row 0, column 'a': is missing, and declared NOT NULL");
}
