//! A source with an end: its rows are not kept, it is read again from its beginning. What is kept is how far it may have been shown, and
//! what tells its input from another.
//!
//! Invariant: no row is handed to the workers before a frame is durable that allows it, so a start that reads as far shows nothing
//! older than what was seen (D2).

use std::sync::Arc;

use highwater_log::Lsn;

use super::super::error::EngineError;
use super::super::frames::{self, Ahead};
use super::super::queue::Closed;
use super::super::source::{Source, lock};
use super::Durable;
use crate::source::{SourceSpec, SplitId};

/// By how many rows more than were read it is allowed.
const STEP: u64 = 1 << 19;

/// How the rows of a source come again.
#[derive(Debug)]
pub(in super::super) struct Rereads {
    durable: Arc<Durable>,
    /// The source's number.
    number: usize,
}

/// Up to where rows of a partition may be shown.
#[derive(Clone, Copy, Debug, Default)]
pub(in super::super) struct Allowed {
    rows: u64,
    /// And up to where when that frame is durable.
    next: Option<(Lsn, u64)>,
}

impl Rereads {
    pub(in super::super) fn new(durable: &Arc<Durable>, number: usize) -> Rereads {
        Rereads { durable: durable.clone(), number }
    }

    /// What runs before allowed.
    pub(in super::super) fn allowed(&self, partition: usize) -> Allowed {
        let rows = self.durable.known().ahead.get(&(self.number as u32, partition as u32)).copied();
        Allowed { rows: rows.unwrap_or(0), next: None }
    }

    /// Rows up to that one are to be shown: waits until they may be.
    pub(in super::super) fn allow(
        &self,
        partition: usize,
        allowed: &mut Allowed,
        rows: u64,
        over: impl Fn() -> bool,
    ) -> Result<(), Closed> {
        if allowed.next.is_none() && rows + STEP / 2 > allowed.rows {
            let ahead = Ahead { source: self.number as u32, partition: partition as u32, rows: rows + STEP };
            let lsn = self.durable.append_waiting(frames::AHEAD, &[&ahead.bytes()], over)?;
            allowed.next = Some((lsn, ahead.rows));
        }
        if rows > allowed.rows
            && let Some((lsn, to)) = allowed.next.take()
        {
            self.durable.wait(lsn)?;
            allowed.rows = to;
        }
        Ok(())
    }
}

impl Durable {
    /// Refuses an input that is another than it was (D14). `found` are the splits that there are.
    pub(in super::super) fn same_input(
        &self,
        number: usize,
        spec: &SourceSpec,
        found: &[SplitId],
    ) -> Result<(), EngineError> {
        let known = self.known();
        let ours = known.splits.iter().filter(|((of, _), _)| *of == number as u32).map(|(_, split)| split);
        let ours = ours.map(|known| (known.split.clone(), known.is_own().then(|| known.was.clone())));
        let ours: Vec<(SplitId, Option<Option<String>>)> = ours.collect();
        drop(known);
        if ours.is_empty() {
            return Ok(());
        }
        let refuse = |what: String| {
            let what = format!("source '{}' is read again from its beginning, and {what}", spec.name);
            Err(self.wrong(what, "put back what was there, or name another directory"))
        };
        if let Some(new) = found.iter().find(|split| ours.iter().all(|(known, _)| known != *split)) {
            return refuse(format!("'{new}' was not there before"));
        }
        for (split, was) in ours {
            if !found.contains(&split) {
                return refuse(format!("'{split}' is not there any more"));
            }
            // What another process reads it looks at.
            let Some(was) = was else { continue };
            let is = spec.connector.was(spec, &split)?;
            if is != was {
                let told = |state: Option<String>| state.unwrap_or_else(|| "something else".to_owned());
                return refuse(format!("'{split}' is another input now: it was {}, and is {}", told(was), told(is)));
            }
        }
        Ok(())
    }
}

impl Source {
    /// Whether every partition that is read again has come as far as runs before allowed, or to its end.
    pub(super) fn caught_up(&self) -> bool {
        let Some(rereads) = &self.rereads else { return true };
        self.partitions.iter().all(|partition| {
            let reading = lock(&partition.state);
            reading.ended || reading.edge.rows() >= rereads.allowed(partition.number).rows
        })
    }
}
