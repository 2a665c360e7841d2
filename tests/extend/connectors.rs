//! The engine's own connectors and formats, held to what those of others are held to by the same lines. `examples/extension` has a connector
//! of one's own.

use std::fs;

use std::sync::Arc;
use std::time::Duration;

use arrow_array::{Int64Array, RecordBatch};
use highwater::extend::{
    Catalog, Connector, Decoded, OptionSpec, Options, Read, Reader, Replay, SourceError, SourceSpec, SplitId, Start,
};
use highwater::testing::conformance;

/// Counts, and has nothing yet before every batch.
#[derive(Debug)]
struct Slow;

impl Connector for Slow {
    fn name(&self) -> &str {
        "slow"
    }

    fn help(&self) -> &str {
        "counts to thirty, in its time"
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
        Replay::Seek
    }

    fn open(&self, spec: &SourceSpec, splits: &[(SplitId, Start)]) -> Result<Vec<Box<dyn Reader>>, SourceError> {
        let reader = |(_, start): &(SplitId, Start)| -> Box<dyn Reader> {
            Box::new(Count { spec: spec.clone(), before: start.position().rows, waited: false })
        };
        Ok(splits.iter().map(reader).collect())
    }
}

struct Count {
    spec: SourceSpec,
    before: u64,
    waited: bool,
}

impl Reader for Count {
    fn name(&self) -> &str {
        "count"
    }

    fn read(&mut self) -> Result<Read, SourceError> {
        self.waited = !self.waited;
        if self.waited {
            return Ok(Read::Wait(Duration::from_millis(1)));
        }
        if self.before == 30 {
            return Ok(Read::End);
        }
        let rows: Int64Array = (self.before..self.before + 3).map(|n| n as i64).collect();
        let batch = RecordBatch::try_new(self.spec.physical.clone(), vec![Arc::new(rows)]).unwrap();
        self.before += 3;
        Ok(Read::Rows(Decoded::rows(batch, self.before - 3)))
    }
}

#[test]
fn a_source_may_wait_between_its_rows() {
    let catalog = Catalog::new().with_source(Slow).unwrap();
    let tried = conformance::source(&catalog, "CREATE SOURCE s (n BIGINT) WITH ('connector' = 'slow')", usize::MAX);
    assert_eq!(tried, 10, "one behind each batch");
}

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
