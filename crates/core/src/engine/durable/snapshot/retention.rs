//! What of the log is kept: what a start from the older of two snapshots needs, and beyond that what `log.retention` says.

use highwater_log::{Error, Lsn, keep_age, keep_bytes};

use super::super::Durable;
use super::file::{name_of, numbers};
use crate::plan::Retention;
use crate::time::now_ms;

/// So many snapshots are kept: should the newest be damaged, a start goes on from the one before.
const KEPT: usize = 2;

impl Durable {
    /// Takes away snapshots that are not needed any more, then what of the log is not.
    pub(super) fn shorten(&self) {
        if let Err(error) = self.drop_snapshots() {
            tracing::warn!("data directory '{}': an old snapshot cannot be removed: {error}", self.folder);
        }
        match self.drop_segments() {
            Ok(0) => {}
            Ok(segments) => tracing::info!(
                "data directory '{}': {} of the log removed, which no snapshot needs",
                self.folder,
                crate::counted::counted(segments as u64, "segment")
            ),
            Err(error) if error.is_of_the_disk() => {
                tracing::warn!("data directory '{}': the log is not shortened: {error}", self.folder);
            }
            Err(error) => self.control.fail(self.broken(&error)),
        }
    }

    fn drop_snapshots(&self) -> std::io::Result<()> {
        let Some(disk) = &self.disk else { return Ok(()) };
        let mut state = self.snapshots.state();
        let surplus = state.kept.len().saturating_sub(KEPT);
        state.kept.drain(..surplus);
        let kept: Vec<u64> = state.kept.iter().map(|(number, _)| *number).collect();
        drop(state);
        let mut gone = false;
        for number in numbers(&**disk)?.into_iter().filter(|number| !kept.contains(number)) {
            disk.remove(&name_of(number))?;
            gone = true;
        }
        if gone { disk.sync() } else { Ok(()) }
    }

    fn drop_segments(&self) -> Result<usize, Error> {
        let Some(log) = &self.log else { return Ok(0) };
        let state = self.snapshots.state();
        let (retention, needed) = (state.retention, state.kept.iter().map(|(_, from)| *from).min());
        let enough = state.kept.len() >= KEPT;
        drop(state);
        // A start looks for the last summary, and reads what is behind it.
        let (Some(needed), Some(said), true) = (needed, self.appended().said_upto(), enough) else { return Ok(0) };
        let from = match retention {
            Retention::All => return Ok(0),
            Retention::Recovery => Lsn(needed),
            Retention::Age(age_ms) => keep_age(&log.segments()?, now_ms(), age_ms).min(Lsn(needed)),
            Retention::Bytes(bytes) => keep_bytes(&log.segments()?, bytes).min(Lsn(needed)),
        };
        log.retain(from.min(Lsn(said)))
    }
}
