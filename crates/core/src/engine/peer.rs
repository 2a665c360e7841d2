//! The other processes of a cluster, as this one knows them.

use std::time::Duration;

use super::{Inner, heartbeat};
use crate::counted::counted;

/// For how long a peer that has more on its way than may be has to take nothing to be told of.
const STALLED: Duration = Duration::from_secs(1);

/// Another process of the cluster.
#[derive(Clone, Debug, PartialEq)]
pub struct Peer {
    /// Which one.
    pub process: usize,
    /// Where it is reached.
    pub address: String,
    /// For how long it has given no sign of life.
    pub silent: Duration,
    /// Rows that were sent to it, as far as is known, and that it has not taken in.
    pub rows: u64,
    /// The bytes of them.
    pub bytes: u64,
    /// Why it holds this process up, if it does.
    pub trouble: Option<String>,
}

impl Inner {
    pub(super) fn peers(&self) -> Vec<Peer> {
        let Some(gossip) = &self.gossip else { return Vec::new() };
        let missed = heartbeat::every(self.config.peer_timeout) * heartbeat::MISSED;
        let peer = |presence: &std::sync::Arc<super::cluster::Presence>| {
            let (process, address, silent) = (presence.index, presence.address().to_owned(), presence.silent());
            let (way, stalled) = gossip.way(process);
            let trouble = match stalled.filter(|since| *since >= STALLED) {
                Some(since) => Some(format!(
                    "process {process} ({address}) has taken nothing for {:.1} s of {} sent to it",
                    since.as_secs_f64(),
                    counted(way.rows, "row")
                )),
                None if silent >= missed => Some(format!(
                    "process {process} ({address}) has given no sign of life for {:.1} s",
                    silent.as_secs_f64()
                )),
                None => None,
            };
            Peer {
                process,
                address,
                silent,
                rows: way.rows,
                bytes: way.bytes,
                trouble: trouble.filter(|_| !presence.left()),
            }
        };
        self.presences.iter().map(peer).collect()
    }
}
