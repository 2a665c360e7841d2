//! The connections of a process to the others of its cluster, made while it starts and broken off when it fails.

use std::net::{Shutdown, TcpStream};
use std::sync::Arc;

use timely::communication::allocator::zero_copy::initialize::{CommsGuard, initialize_networking_from_sockets};
use timely::communication::allocator::{AllocatorBuilder, ProcessBuilder};
use timely::communication::{Config as Communication, Hooks};

use super::cluster::{self, Presence};
use super::config::Config;
use super::control::Control;
use super::durable::Durable;
use super::error::EngineError;
use super::greeting::Agreement;
use super::heartbeat;
use crate::plan::Dataflow;
use crate::plan::identity::{self, Part};

/// The other processes, and what the workers talk to them through.
pub(super) struct Peers {
    pub(super) builders: Vec<AllocatorBuilder>,
    pub(super) guard: Option<CommsGuard>,
    pub(super) sockets: Vec<TcpStream>,
    pub(super) presences: Vec<Arc<Presence>>,
    /// The identities of the logs of all processes, if they have data directories.
    pub(super) lineages: Vec<String>,
}

impl Peers {
    pub(super) fn meet(
        dataflow: &Dataflow,
        config: &Config,
        control: &Arc<Control>,
        durable: Option<&Arc<Durable>>,
    ) -> Result<Peers, EngineError> {
        if config.processes() == 1 {
            let communication = match config.workers {
                1 => Communication::Thread,
                workers => Communication::Process(workers),
            };
            let (builders, _) = communication.try_build().map_err(EngineError::Config)?;
            let (sockets, presences, lineages) = Default::default();
            return Ok(Peers { builders, guard: None, sockets, presences, lineages });
        }
        let directory = durable.map(|durable| durable.directory());
        let agreement = Agreement { workers: config.workers as u64, parts: parts(dataflow, config), directory };
        let connected = cluster::connect(config, agreement, control)?;
        let (sockets, presences) = (cluster::handles(&connected), cluster::presences(&connected.peers));
        let cluster::Connected { peers, pulses, lineages } = connected;
        heartbeat::start(pulses, config, control)?;
        let hooks = Hooks::default();
        let inside = ProcessBuilder::new_typed_vector(config.workers, hooks.refill.clone(), None);
        let started = initialize_networking_from_sockets(inside, peers, config.process, config.workers, hooks);
        let (builders, guard) = started.map_err(|error| EngineError::Connect {
            process: config.process,
            what: format!("no threads for the connections: {error}"),
        })?;
        let builders = builders.into_iter().map(AllocatorBuilder::Tcp).collect();
        Ok(Peers { builders, guard: Some(guard), sockets, presences, lineages })
    }

    /// The start failed here: breaks off, so that the peers do not wait.
    pub(super) fn abandon(self) {
        break_off(&self.sockets);
        // Its threads wait for workers that never come.
        std::mem::forget((self.builders, self.guard));
    }
}

/// The plan part by part, after what else decides on results.
fn parts(dataflow: &Dataflow, config: &Config) -> Vec<Part> {
    let views = if config.views { "views are kept" } else { "views are not kept (--no-serve)" };
    let settings = [
        ("version of Highwater", env!("CARGO_PKG_VERSION").to_owned()),
        ("flag --tick-rows", config.tick_rows.to_string()),
        ("flag --no-serve", views.to_owned()),
    ];
    let settings = settings.map(|(name, does)| Part::new(name.to_owned(), does));
    settings.into_iter().chain(identity::parts(dataflow)).collect()
}

/// Ends the connections at once: no goodbye.
pub(super) fn break_off(sockets: &[TcpStream]) {
    // One that is closed already needs no closing.
    sockets.iter().for_each(|socket| drop(socket.shutdown(Shutdown::Both)));
}
