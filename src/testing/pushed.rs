//! A program with other ends: its sources are pushed to, its sinks are views.

use std::collections::BTreeMap;
use std::sync::Arc;

use highwater_core::options::{OptionSpec, Options};
use highwater_core::plan::{Dataflow, Emit, ViewSpec};
use highwater_core::source::{Connector, Reader, Replay, SourceError, SourceSpec, SplitId, Start};

/// What a source is of that the test pushes to, whatever it is declared to be: of so many partitions.
#[derive(Debug)]
struct Pushed(usize);

impl Connector for Pushed {
    fn name(&self) -> &'static str {
        "test"
    }

    fn help(&self) -> &'static str {
        "takes what a test pushes"
    }

    fn options(&self) -> &'static [OptionSpec] {
        &[]
    }

    fn live(&self, _: &Options) -> bool {
        true
    }

    fn pushed(&self, _: &SourceSpec) -> Result<Option<(usize, usize)>, SourceError> {
        Ok(Some((usize::MAX, usize::MAX)))
    }

    fn check(&self, _: &SourceSpec) -> Result<(), SourceError> {
        Ok(())
    }

    fn replay(&self) -> Replay {
        Replay::Once
    }

    fn splits(&self, _: &SourceSpec) -> Result<Vec<SplitId>, SourceError> {
        Ok((0..self.0).map(|part| SplitId::new(part.to_string())).collect())
    }

    fn open(&self, _: &SourceSpec, _: &[(SplitId, Start)]) -> Result<Vec<Box<dyn Reader>>, SourceError> {
        Ok(Vec::new())
    }
}

/// The name that a source is declared by: one whose rows are read in order of their arrival has another in the plan.
pub(super) fn declared(source: &SourceSpec) -> &str {
    source.name.strip_suffix(".arrival").filter(|_| source.by_arrival()).unwrap_or(&source.name)
}

/// Gives a program its ends for a test. `reads` says which sources are read as declared, `partitions` how many the others have. Returns the
/// name of the view that each view and sink is looked at as; one that a view and a sink share is the view's.
pub(super) fn with_ends(
    dataflow: &mut Dataflow,
    reads: impl Fn(&str) -> bool,
    partitions: impl Fn(&str) -> usize,
) -> BTreeMap<String, String> {
    for source in dataflow.sources.iter_mut().filter(|source| !reads(declared(source))) {
        let pushed: Arc<dyn Connector> = Arc::new(Pushed(partitions(declared(source))));
        source.connector = pushed.into();
        // Rows have what a connector would fill in, as any other column.
        source.metadata.clear();
    }
    let mut looks: BTreeMap<String, String> =
        dataflow.views.iter().map(|view| (view.name.clone(), view.name.clone())).collect();
    for sink in std::mem::take(&mut dataflow.sinks) {
        let name = match looks.contains_key(&sink.spec.name) {
            true => format!("sink {}", sink.spec.name),
            false => sink.spec.name.clone(),
        };
        looks.entry(sink.spec.name).or_insert_with(|| name.clone());
        dataflow.views.push(ViewSpec {
            name,
            node: sink.node,
            columns: sink.columns,
            schema: sink.spec.schema,
            key: None,
            closes: None,
            emit: Emit::Changes,
            sql: String::new(),
            options: Options::default(),
        });
    }
    looks
}
