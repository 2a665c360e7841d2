//! Data directories that are only read: of one process, or of all of a cluster.

use std::path::Path;
use std::sync::Arc;

use highwater_log::{Folder, Past};

use super::super::error::EngineError;
use super::super::frames::Program;
use super::known::{Known, broken, is_ours, wrong};
use crate::plan::Dataflow;

/// What data directories hold at a moment, to be done again ([`Config::replay`](super::super::Config::replay)). They are neither
/// written nor locked, so a run may go on with them meanwhile.
#[derive(Clone, Debug)]
pub struct Recorded {
    pub(super) folder: String,
    pub(super) past: Past,
    /// Those of the other processes.
    pub(super) beside: Vec<Past>,
    pub(super) known: Arc<Known>,
    pub(super) was: Option<Arc<Dataflow>>,
}

/// What one directory holds.
struct Read {
    folder: String,
    past: Past,
    known: Known,
}

impl Recorded {
    /// Looks through the directory of a process, or through those of all processes of a cluster, in any order. With `until_ms` (the clock
    /// of the run, in ms since 1970) only up to the first rows that came, and the first start, after that.
    ///
    /// # Errors
    /// One is no data directory, or its log is damaged; they are not those of one run.
    pub fn open<P: AsRef<Path>>(paths: &[P], until_ms: Option<i64>) -> Result<Recorded, EngineError> {
        let all = paths.iter().map(|path| read(path.as_ref(), until_ms)).collect::<Result<Vec<_>, _>>()?;
        let all = together(all)?;
        let folder = all.iter().map(|read| read.folder.as_str()).collect::<Vec<_>>().join("', '");
        let mut pasts: Vec<Past> = all.iter().map(|read| read.past.clone()).collect();
        let knowns = all.into_iter().map(|read| read.known).enumerate();
        let known = knowns.reduce(|(at, known), (log, other)| (at, known.beside(other, log)));
        let (Some((_, known)), false) = (known, pasts.is_empty()) else {
            return Err(wrong("", "there is no directory to be read", "name the folder that --data-dir named"));
        };
        let past = pasts.remove(0);
        Ok(Recorded { folder, past, beside: pasts, known: Arc::new(known), was: None })
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

    /// Whether several processes took what it holds.
    pub(in super::super) fn of_several(&self) -> bool {
        !self.beside.is_empty()
    }
}

fn read(path: &Path, until_ms: Option<i64>) -> Result<Read, EngineError> {
    let folder = path.display().to_string();
    let past = Past::open(Folder::read_only(path)).map_err(|error| broken(&folder, &error))?;
    if !is_ours(&folder, &past)? {
        return Err(wrong(&folder, "it holds nothing of a run", "name the folder that --data-dir named"));
    }
    if let Some(gone) = past.gone() {
        let remedy = "a replay needs all that came: SET 'log.retention' = 'all' keeps it, for runs to come";
        return Err(wrong(&folder, format!("it cannot be done again from the beginning: {gone}"), remedy));
    }
    let (known, read) = Known::read(&folder, &past, until_ms)?;
    if known.start.is_none() {
        return Err(wrong(&folder, "nothing had come by then", "name a later time"));
    }
    Ok(Read { past: past.before(read.end), folder, known })
}

/// The directories in the order of their processes, if they are those of one run.
fn together(mut all: Vec<Read>) -> Result<Vec<Read>, EngineError> {
    let cluster = |read: &Read| read.known.start.as_ref().and_then(|start| start.cluster.clone());
    let Some(first) = all.first() else { return Ok(all) };
    let Some(of) = cluster(first) else {
        return match all.get(1) {
            None => Ok(all),
            Some(other) => {
                let what = "it is of one process alone";
                Err(wrong(&first.folder, what, &format!("name it without '{}'", other.folder)))
            }
        };
    };
    let mut found = vec![None; of.processes];
    for (at, read) in all.iter().enumerate() {
        let place = cluster(read).filter(|its| (its.processes, &its.lineages) == (of.processes, &of.lineages));
        let Some(slot) = place.and_then(|its| found.get_mut(its.process)) else {
            let what = format!("it is not of the run that '{}' is of", first.folder);
            return Err(wrong(&read.folder, what, "name the directories of the processes that ran together"));
        };
        if let Some(other) = slot.replace(at) {
            let (other, what) = (&all[other], "it is of the same process");
            return Err(wrong(&read.folder, format!("{what} as '{}'", other.folder), "name each once"));
        }
    }
    let missing: Vec<String> =
        (0..of.processes).filter(|process| found[*process].is_none()).map(|process| process.to_string()).collect();
    if !missing.is_empty() {
        let what = format!("it holds what process {} of {} took", of.process, of.processes);
        let remedy = format!("name the directories of all: that of process {} is missing", missing.join(", "));
        return Err(wrong(&first.folder, what, &remedy));
    }
    all.sort_by_key(|read| cluster(read).map_or(0, |its| its.process));
    Ok(all)
}
