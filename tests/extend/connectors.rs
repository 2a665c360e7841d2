//! The engine's own connectors and formats, held to what those of others are held to by the same lines. `examples/extension` has a connector
//! of one's own.

use std::fs;

use highwater::extend::Catalog;
use highwater::testing::conformance;

#[test]
fn the_engine_s_own_are_held_to_the_same() {
    let catalog = Catalog::new();
    let source = "CREATE SOURCE g (n BIGINT, s VARCHAR) WITH ('connector' = 'datagen', 'number-of-rows' = '30000')";
    assert!(conformance::source(&catalog, source, usize::MAX) > 2);
    let once = "CREATE SOURCE g (n BIGINT) WITH ('connector' = 'stdin')";
    assert_eq!(conformance::source(&catalog, once, usize::MAX), 0);
    let csv = "CREATE SOURCE f (n BIGINT, s VARCHAR) WITH ('connector' = 'filesystem', 'path' = 'x.csv')";
    conformance::format(&catalog, csv, "n,s\n1,a\nno,b\n2,\"two\nlines\"\n\n3,c\n");
    let folder = tempfile::tempdir().unwrap();
    let file = |run: &str| folder.path().join(format!("{run}.json"));
    let sink = |run: &str| {
        let path = file(run).display().to_string();
        format!("{source}; CREATE SINK out WITH ('connector' = 'filesystem', 'path' = '{path}') AS SELECT s, n FROM g;")
    };
    assert_eq!(conformance::sink(&catalog, sink, |run| fs::read_to_string(file(run)).unwrap()), 80);
}
