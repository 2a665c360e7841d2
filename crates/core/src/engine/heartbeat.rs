//! Signs of life between the processes of a cluster, over a connection of its own to each peer: a byte now and then. A peer
//! that is silent for too long is stuck or cut off, though its connections still stand; TCP would give it minutes.
//!
//! A thread a peer, so that signs go and come whatever the workers have to do. A connection that ends says nothing here:
//! the workers' own tells whether that was a goodbye. Silence is counted in the reads that ran out of time: a process that
//! was held up itself blames nobody for it.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use super::cluster::Presence;
use super::config::Config;
use super::control::Control;
use super::error::EngineError;
use super::ingest;
use crate::time::Clock;

/// A peer that has missed so many signs is told of before it is given up.
pub(super) const MISSED: u32 = 3;

/// A connection for signs of life.
pub(super) struct Pulse {
    pub(super) stream: TcpStream,
    pub(super) presence: Arc<Presence>,
}

/// How often a sign is given: often enough that a few that are missed are no reason to end.
pub(super) fn every(timeout: Duration) -> Duration {
    (timeout / 8).clamp(Duration::from_millis(5), Duration::from_secs(1))
}

/// Gives and awaits signs of life; a peer that is silent for the peer timeout fails the engine.
pub(super) fn start(pulses: Vec<Pulse>, config: &Config, control: &Arc<Control>) -> Result<(), EngineError> {
    let (process, timeout) = (config.process, config.peer_timeout);
    // Before its first sign it may be waiting for others.
    let first = timeout.max(config.connect_timeout);
    for pulse in pulses {
        let (name, control) = (format!("pulse {}", pulse.presence.index), control.clone());
        ingest::spawn(name, move || pulse.run(process, [first, timeout], &control))?;
    }
    Ok(())
}

impl Pulse {
    /// `patience` is that before the first sign, and after it.
    fn run(mut self, process: usize, [first, timeout]: [Duration; 2], control: &Control) {
        let (beat, mut patience) = (every(timeout), first);
        // One that takes no more signs is silent too, which is found out by reading.
        let _ = self.stream.set_write_timeout(Some(Duration::from_millis(1)));
        let (mut given, mut silent) = (None::<Clock>, Duration::ZERO);
        let mut signs = [0; 64];
        while !control.stopping() {
            let since = given.as_ref().map_or(beat, Clock::elapsed);
            if since >= beat {
                let _ = self.stream.write(&[1]);
                given = Some(Clock::start());
            }
            let wait = beat.saturating_sub(since).max(Duration::from_millis(1));
            let wait = if since >= beat { beat } else { wait };
            if self.stream.set_read_timeout(Some(wait)).is_err() {
                return;
            }
            match self.stream.read(&mut signs) {
                Ok(0) => return,
                Ok(_) => (silent, patience) = (Duration::ZERO, timeout),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => silent += wait,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return,
            }
            self.presence.set_silent(silent);
            if silent >= patience {
                return control.fail(self.presence.silent_for(process, silent));
            }
        }
    }
}
