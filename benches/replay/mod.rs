//! Events in memory before the clock starts: the engine's generators, made once, kept as Arrow batches of a full batch's rows
//! and replayed by every run of the process. Of a source only the columns that its program reads are made and kept.

use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::RecordBatch;
use arrow_schema::FieldRef;
use arrow_select::coalesce::BatchCoalescer;
use highwater::engine::BATCH_ROWS;
use highwater_core::options::{OptionSpec, Options};
use highwater_core::plan::Dataflow;
use highwater_core::source::{CONNECTORS, Connector, Decoded, Read, Reader, SourceError, SourceSpec, SplitId, Start};

/// A generator of the engine, under its own name.
#[derive(Debug)]
struct Replay(&'static str);

/// The replaying generators, to be added to a catalog.
const REPLAYS: &[&dyn Connector] = &[&Replay("nexmark"), &Replay("datagen")];

/// A program whose generators make their rows once.
pub(crate) fn replayed(mut dataflow: Dataflow) -> Dataflow {
    for source in &mut dataflow.sources {
        if let Some(replay) = REPLAYS.iter().find(|replay| replay.name() == source.connector.name()) {
            source.connector = (*replay).into();
        }
    }
    dataflow
}

/// What was generated, by source and columns.
static HELD: Mutex<Vec<(String, Arc<[RecordBatch]>)>> = Mutex::new(Vec::new());

impl Replay {
    fn generator(&self) -> &'static dyn Connector {
        *CONNECTORS.iter().find(|connector| connector.name() == self.0).expect("a generator of the engine")
    }

    fn generated(&self, spec: &SourceSpec) -> Result<Vec<RecordBatch>, SourceError> {
        let (mut full, mut all): (Option<BatchCoalescer>, Vec<RecordBatch>) = (None, Vec::new());
        let generator = self.generator();
        let splits = generator.splits(spec)?.into_iter().map(|split| (split, Start::Beginning)).collect::<Vec<_>>();
        for mut reader in generator.open(spec, &splits)? {
            while let Read::Rows(decoded) = reader.read()? {
                let full = full.get_or_insert_with(|| BatchCoalescer::new(decoded.batch.schema(), BATCH_ROWS));
                full.push_batch(decoded.batch).expect("batches of one schema");
                all.extend(std::iter::from_fn(|| full.next_completed_batch()));
            }
        }
        if let Some(mut full) = full {
            full.finish_buffered_batch().expect("batches of one schema");
            all.extend(std::iter::from_fn(|| full.next_completed_batch()));
        }
        Ok(all)
    }
}

impl Connector for Replay {
    fn name(&self) -> &'static str {
        self.0
    }

    fn help(&self) -> &'static str {
        "replays what was generated"
    }

    fn options(&self) -> &'static [OptionSpec] {
        self.generator().options()
    }

    fn default_columns(&self, options: &Options) -> Option<Vec<FieldRef>> {
        self.generator().default_columns(options)
    }

    fn live(&self, options: &Options) -> bool {
        self.generator().live(options)
    }

    fn check(&self, spec: &SourceSpec) -> Result<(), SourceError> {
        self.generator().check(spec)
    }

    fn replay(&self) -> highwater_core::source::Replay {
        highwater_core::source::Replay::Seek
    }

    fn open(&self, spec: &SourceSpec, _: &[(SplitId, Start)]) -> Result<Vec<Box<dyn Reader>>, SourceError> {
        let key = format!("{} {:?} {:?}", spec.name, spec.options, spec.decode);
        let mut held = HELD.lock().unwrap_or_else(PoisonError::into_inner);
        let batches = match held.iter().find(|(other, _)| *other == key) {
            Some((_, batches)) => batches.clone(),
            None => {
                let batches: Arc<[RecordBatch]> = self.generated(spec)?.into();
                held.push((key, batches.clone()));
                batches
            }
        };
        // The peak is that of the run: the memory that the generator took does not count.
        let _ = std::fs::write("/proc/self/clear_refs", "5");
        Ok(vec![Box::new(Replayed { name: self.0, batches, next: 0, rows: 0 })])
    }
}

struct Replayed {
    name: &'static str,
    batches: Arc<[RecordBatch]>,
    next: usize,
    rows: u64,
}

impl Reader for Replayed {
    fn name(&self) -> &str {
        self.name
    }

    fn read(&mut self) -> Result<Read, SourceError> {
        let Some(batch) = self.batches.get(self.next).cloned() else { return Ok(Read::End) };
        let before = self.rows;
        (self.next, self.rows) = (self.next + 1, self.rows + batch.num_rows() as u64);
        Ok(Read::Rows(Decoded::rows(batch, before)))
    }
}

/// The size of the events in memory, in MiB.
pub(crate) fn held_mib() -> u64 {
    let held = HELD.lock().unwrap_or_else(PoisonError::into_inner);
    let batches = held.iter().flat_map(|(_, batches)| batches.iter());
    batches.map(|batch| batch.get_array_memory_size() as u64).sum::<u64>() >> 20
}

/// The most memory that this process held since the sources were opened, in MiB.
pub(crate) fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("the peak");
    peak.trim().trim_end_matches(" kB").parse::<u64>().expect("KiB") / 1024
}
