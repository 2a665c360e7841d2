//! A data directory that is only read.

use std::path::Path;
use std::sync::Arc;

use highwater_log::{Folder, Past};

use super::super::error::EngineError;
use super::super::frames::Program;
use super::known::{Known, broken, is_ours, wrong};
use crate::plan::Dataflow;

/// What a data directory holds at a moment, to be done again ([`Config::replay`](super::super::Config::replay)). It is neither
/// written nor locked, so a run may go on with it meanwhile.
#[derive(Clone, Debug)]
pub struct Recorded {
    pub(super) folder: String,
    pub(super) past: Past,
    pub(super) known: Arc<Known>,
    pub(super) was: Option<Arc<Dataflow>>,
}

impl Recorded {
    /// Looks through a directory. With `until_ms` (the clock of the run, in ms since 1970) only up to the first rows that came, and the
    /// first start, after that.
    ///
    /// # Errors
    /// It is no data directory, or its log is damaged.
    pub fn open(path: &Path, until_ms: Option<i64>) -> Result<Recorded, EngineError> {
        let folder = path.display().to_string();
        let past = Past::open(Folder::read_only(path)).map_err(|error| broken(&folder, &error))?;
        if !is_ours(&folder, &past)? {
            return Err(wrong(&folder, "it holds nothing of a run", "name the folder that --data-dir named"));
        }
        let (known, read) = Known::read(&folder, &past, until_ms)?;
        if known.start.is_none() {
            return Err(wrong(&folder, "nothing had come by then", "name a later time"));
        }
        if let Some(cluster) = known.start.as_ref().and_then(|start| start.cluster.as_ref()) {
            let what = format!("it holds what process {} of {} took", cluster.process, cluster.processes);
            return Err(wrong(
                &folder,
                what,
                "start the cluster over it: what its processes took together is not replayed yet",
            ));
        }
        Ok(Recorded { folder, past: past.before(read.end), known: Arc::new(known), was: None })
    }

    /// What the run was planned from, if it is kept.
    pub fn program(&self) -> Option<&Program> {
        self.known.program.as_ref()
    }

    /// The same, with what the run did: that tells how another program differs.
    #[must_use]
    pub fn of(self, was: Dataflow) -> Recorded {
        Recorded { was: Some(Arc::new(was)), ..self }
    }
}
