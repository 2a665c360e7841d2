//! How the processes of a cluster find each other, and how one notices that another is gone.
//!
//! Process `i` connects to all before it and is connected to by all after it. Each connection begins with a greeting: a
//! word of ours, the process's index, and what must be equal everywhere: workers per process, the plan part by part
//! ([`crate::plan::identity`]), so that processes that differ can say in what; and which data directory the process has.
//! Beside it each pair has one for signs of life ([`super::heartbeat`]), which begins with the same greeting.
//! A connection whose thread dies of a panic is a peer that is gone: timely's threads panic when a stream breaks off, and
//! end quietly after a goodbye.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use timely::communication::allocator::zero_copy::stream::Stream;

use super::config::Config;
use super::control::Control;
use super::error::EngineError;
use super::greeting::{Agreement, GREETING, LINKS, Link, WORD, agree, greet, hear};
use super::heartbeat::Pulse;
use crate::retry::passes;
use crate::time::Clock;

/// How long between two attempts to reach a peer.
const RETRY: Duration = Duration::from_millis(50);

/// When it is first told in the log for whom it waits, and how often then.
const TELL_AFTER_MS: u64 = 500;
const TOLD_EVERY_MS: u64 = 10_000;

/// How many who say nothing are listened to; those beyond are let go, the oldest first.
const SILENT: usize = 64;

/// What is known of a peer.
#[derive(Debug)]
pub(super) struct Presence {
    /// Which process it is.
    pub(super) index: usize,
    address: String,
    /// It has said goodbye: the thread that reads has ended well.
    left: AtomicBool,
    /// Its stream has ended, well or not.
    cut: AtomicBool,
    /// For how long it has given no sign of life, in ms.
    silent_ms: AtomicU64,
}

impl Presence {
    /// Whether it has said goodbye.
    pub(super) fn left(&self) -> bool {
        self.left.load(Ordering::Acquire)
    }

    /// Whether its stream broke off.
    pub(super) fn lost(&self) -> bool {
        self.cut.load(Ordering::Acquire) && !self.left()
    }

    /// Where it is reached.
    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// It has given no sign of life for so long.
    pub(super) fn set_silent(&self, silent: Duration) {
        self.silent_ms.store(silent.as_millis() as u64, Ordering::Relaxed);
    }

    /// For how long it has given no sign of life.
    pub(super) fn silent(&self) -> Duration {
        Duration::from_millis(self.silent_ms.load(Ordering::Relaxed))
    }

    /// What is to be said of a silence by this process.
    pub(super) fn silent_for(&self, process: usize, silent: Duration) -> EngineError {
        let (peer, address, seconds) = (self.index, self.address.clone(), silent.as_secs_f64());
        EngineError::PeerSilent { peer, address, seconds, process }
    }

    /// What is to be said of its going by this process.
    pub(super) fn gone(&self, process: usize) -> EngineError {
        EngineError::PeerGone { peer: self.index, address: self.address.clone(), process }
    }
}

/// A connection to a peer that tells when its thread panics.
pub(super) struct Peer {
    stream: TcpStream,
    presence: Arc<Presence>,
    process: usize,
    control: Arc<Control>,
    /// Whether this is the handle that is read.
    reading: bool,
}

impl Drop for Peer {
    fn drop(&mut self) {
        if std::thread::panicking() {
            if !self.control.stopping() {
                self.control.fail(self.presence.gone(self.process));
            }
        } else if self.reading {
            self.presence.left.store(true, Ordering::Release);
        }
    }
}

impl Read for Peer {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reading = true;
        let read = self.stream.read(buffer);
        if !matches!(read, Ok(1..)) {
            self.presence.cut.store(true, Ordering::Release);
        }
        read
    }
}

impl Write for Peer {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let written = self.stream.write(buffer);
        if written.is_err() {
            self.presence.cut.store(true, Ordering::Release);
        }
        written
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

impl Stream for Peer {
    fn try_clone(&self) -> io::Result<Self> {
        let (presence, control) = (self.presence.clone(), self.control.clone());
        Ok(Peer { stream: self.stream.try_clone()?, presence, process: self.process, control, reading: false })
    }

    fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        self.stream.set_nonblocking(nonblocking)
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.stream.shutdown(how)
    }
}

/// The connections to a peer, by what they are for.
type Links = [Option<TcpStream>; 2];

/// The connections to all other processes.
pub(super) struct Connected {
    /// By process; the place of this one is empty.
    pub(super) peers: Vec<Option<Peer>>,
    /// For signs of life.
    pub(super) pulses: Vec<Pulse>,
    /// The identities of the logs of all processes, if they have data directories.
    pub(super) lineages: Vec<String>,
}

/// Connects to all other processes. Waits for at most `config.connect_timeout`.
pub(super) fn connect(config: &Config, agreement: Agreement, control: &Arc<Control>) -> Result<Connected, EngineError> {
    let me = config.process;
    let listener = listen(&config.addresses[me], me)?;
    let mut streams: Vec<Links> = (0..config.processes()).map(|_| Links::default()).collect();
    // Those after us come to us while we go to those before us.
    let search = Search {
        config,
        agreement: &agreement,
        since: Clock::start(),
        over: AtomicBool::new(false),
        told: AtomicU64::new(TELL_AFTER_MS),
        lineages: Mutex::new(vec![String::new(); config.processes()]),
    };
    std::thread::scope(|scope| {
        let (earlier, later) = streams.split_at_mut(me);
        let waiting = scope.spawn(|| search.settle(search.accept(&listener, &mut later[1..])));
        let reached = search.settle(earlier.iter_mut().enumerate().try_for_each(|(peer, streams)| {
            LINKS.into_iter().zip(streams).try_for_each(|(link, stream)| {
                *stream = Some(search.reach(peer, link)?);
                Ok(())
            })
        }));
        match waiting.join() {
            // Whoever gave up first knows why.
            Ok(accepted) => reached.and(accepted),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })?;
    let mut lineages = search.lineages.into_inner().unwrap_or_else(PoisonError::into_inner);
    match &agreement.directory {
        Some(own) => lineages[me].clone_from(&own.lineage),
        None => lineages.clear(),
    }
    let mut connected = Connected { peers: Vec::new(), pulses: Vec::new(), lineages };
    for (index, [data, pulse]) in streams.into_iter().enumerate() {
        let address = config.addresses[index].clone();
        let (left, cut, silent_ms) = (AtomicBool::new(false), AtomicBool::new(false), AtomicU64::new(0));
        let presence = Arc::new(Presence { index, address, left, cut, silent_ms });
        connected.pulses.extend(pulse.map(|stream| Pulse { stream, presence: presence.clone() }));
        let control = control.clone();
        connected.peers.push(data.map(|stream| Peer { stream, presence, process: me, control, reading: false }));
    }
    Ok(connected)
}

/// What is known of the peers, from now on.
pub(super) fn presences(peers: &[Option<Peer>]) -> Vec<Arc<Presence>> {
    peers.iter().flatten().map(|peer| peer.presence.clone()).collect()
}

/// Second handles on the connections, to break them off.
pub(super) fn handles(Connected { peers, pulses, .. }: &Connected) -> Vec<TcpStream> {
    let streams = peers.iter().flatten().map(|peer| &peer.stream).chain(pulses.iter().map(|pulse| &pulse.stream));
    streams.filter_map(|stream| stream.try_clone().ok()).collect()
}

fn failure(process: usize, what: String) -> EngineError {
    EngineError::Connect { process, what }
}

fn listen(address: &str, me: usize) -> Result<TcpListener, EngineError> {
    let listener = TcpListener::bind(address).and_then(|listener| {
        listener.set_nonblocking(true)?;
        Ok(listener)
    });
    listener.map_err(|error| {
        failure(me, format!("cannot listen on {address}: {error}; free the port or write another one in the hostfile"))
    })
}

/// The search for the peers, from both ends.
struct Search<'a> {
    config: &'a Config,
    agreement: &'a Agreement,
    since: Clock,
    /// One end gave up: the other need not wait.
    over: AtomicBool,
    /// When it is to be told again for whom it waits, in ms since then.
    told: AtomicU64,
    /// The identities of the peers' logs.
    lineages: Mutex<Vec<String>>,
}

impl Search<'_> {
    fn settle(&self, result: Result<(), EngineError>) -> Result<(), EngineError> {
        if result.is_err() {
            self.over.store(true, Ordering::Release);
        }
        result
    }

    fn ended(&self) -> bool {
        self.over.load(Ordering::Acquire) || self.since.elapsed() >= self.config.connect_timeout
    }

    fn reach(&self, peer: usize, link: Link) -> Result<TcpStream, EngineError> {
        let Search { config, agreement, .. } = *self;
        let address = &config.addresses[peer];
        loop {
            let attempt = address.to_socket_addrs().and_then(|found| {
                // A name may have several addresses, of which one answers.
                let mut answer = Err(io::Error::other("the name has no address"));
                for address in found {
                    answer = TcpStream::connect_timeout(&address, GREETING);
                    if answer.is_ok() {
                        break;
                    }
                }
                answer
            });
            match attempt {
                Ok(mut stream) => {
                    let greeted =
                        stream.set_nodelay(true).and_then(|()| greet(&mut stream, config.process, link, agreement));
                    let answer = greeted.and_then(|()| hear(&mut stream));
                    return match answer {
                        Ok((_, _, theirs)) => self.agree(peer, &theirs).map(|()| stream),
                        // It ended while it greeted, and may be started again.
                        Err(error) if is_gone(&error) && !self.ended() => {
                            self.wait_for(peer);
                            continue;
                        }
                        Err(error) => Err(failure(
                            peer,
                            format!(
                                "what listens on {address} is not a process of this cluster ({error}); check the hostfile"
                            ),
                        )),
                    };
                }
                Err(error) if self.ended() => {
                    let seconds = config.connect_timeout.as_secs();
                    return Err(failure(
                        peer,
                        format!(
                            "not reached on {address} within {seconds} s ({error}); start it with -p {peer}, or check the hostfile"
                        ),
                    ));
                }
                Err(_) => self.wait_for(peer),
            }
        }
    }

    /// Waits a little, and says for whom.
    fn wait_for(&self, peer: usize) {
        let Search { config, since, told, .. } = self;
        let what = format!("waits for process {peer} ({})", config.addresses[peer]);
        let due = told.fetch_max(since.elapsed_ms() + TOLD_EVERY_MS, Ordering::Relaxed);
        if due <= since.elapsed_ms() {
            tracing::info!("process {} {what}", config.process);
        } else {
            told.store(due, Ordering::Relaxed);
        }
        config.startup.at(what);
        std::thread::sleep(RETRY);
    }

    fn accept(&self, listener: &TcpListener, later: &mut [Links]) -> Result<(), EngineError> {
        let Search { config, .. } = *self;
        let me = config.process;
        let mut silent: Vec<Silent> = Vec::new();
        while let Some(missing) = later.iter().position(|links| links.iter().any(Option::is_none)) {
            match listener.accept() {
                Ok((stream, from)) => {
                    if silent.len() == SILENT {
                        silent.remove(0);
                    }
                    if stream.set_nonblocking(true).is_ok() {
                        silent.push(Silent { stream, from, since: Clock::start() });
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if self.ended() {
                        let peer = me + 1 + missing;
                        let (seconds, address) = (config.connect_timeout.as_secs(), &config.addresses[peer]);
                        return Err(failure(
                            peer,
                            format!(
                                "it ({address}) did not connect within {seconds} s; start it with -p {peer}, or check the hostfile"
                            ),
                        ));
                    }
                    self.wait_for(me + 1 + missing);
                }
                // No descriptor is left just now, or the peer went at once.
                Err(error) if passes(&error) && !self.ended() => self.wait_for(me + 1 + missing),
                Err(error) => return Err(failure(me, format!("cannot take connections: {error}"))),
            }
            // Who says nothing is not waited for, and who says something else is not of this cluster: a scanner, a browser.
            for (one, spoke) in std::mem::take(&mut silent).into_iter().filter_map(Silent::listen) {
                match spoke {
                    true => self.meet(one.stream, one.from, later)?,
                    false => silent.push(one),
                }
            }
        }
        Ok(())
    }

    /// Somebody has begun to greet.
    fn meet(&self, mut stream: TcpStream, from: SocketAddr, later: &mut [Links]) -> Result<(), EngineError> {
        let Search { config, agreement, .. } = *self;
        let me = config.process;
        let heard =
            stream.set_nonblocking(false).and_then(|()| stream.set_nodelay(true)).and_then(|()| hear(&mut stream));
        let Ok((peer, link, theirs)) = heard else { return Ok(()) };
        let place = peer.checked_sub(me + 1).and_then(|place| later.get_mut(place));
        let place = place.map(|links| &mut links[link as usize]);
        // One that ended after it had greeted comes again.
        let free = |place: &&mut Option<TcpStream>| place.as_ref().is_none_or(ended);
        let Some(place) = place.filter(free) else {
            let processes = config.processes();
            return Err(failure(
                peer,
                format!(
                    "a process at {from} says it is process {peer} of the {processes}, which is taken; give each its own -p"
                ),
            ));
        };
        match greet(&mut stream, me, link, agreement) {
            Err(error) if is_gone(&error) => return Ok(()),
            greeted => greeted.map_err(|error| failure(peer, format!("left while greeting: {error}")))?,
        }
        self.agree(peer, &theirs)?;
        *place = Some(stream);
        Ok(())
    }
}

impl Search<'_> {
    fn agree(&self, peer: usize, theirs: &Agreement) -> Result<(), EngineError> {
        agree((peer, self.config.process), self.agreement, theirs).map_err(|what| failure(peer, what))?;
        if let Some(directory) = &theirs.directory {
            self.lineages.lock().unwrap_or_else(PoisonError::into_inner)[peer].clone_from(&directory.lineage);
        }
        Ok(())
    }
}

/// Whether a connection broke off because the other side ended.
fn is_gone(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof)
}

/// Whether the other side of a connection, which is to say nothing yet, has ended.
fn ended(stream: &TcpStream) -> bool {
    let silent = stream.set_nonblocking(true).and_then(|()| stream.peek(&mut [0]));
    let over = match silent {
        Ok(said) => said == 0,
        Err(error) => error.kind() != io::ErrorKind::WouldBlock,
    };
    over || stream.set_nonblocking(false).is_err()
}

/// Somebody who has connected and said nothing yet.
struct Silent {
    stream: TcpStream,
    from: SocketAddr,
    since: Clock,
}

impl Silent {
    /// Whether it has said our word by now; `None` if it is not of this cluster, or has gone, or has had its time.
    fn listen(self) -> Option<(Silent, bool)> {
        let mut word = [0; WORD.len()];
        match self.stream.peek(&mut word) {
            Ok(said) if said == word.len() => (word == WORD).then_some((self, true)),
            Ok(said) if said == 0 || word[..said] != WORD[..said] => None,
            Err(error) if !matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => None,
            _ => (self.since.elapsed() < GREETING).then_some((self, false)),
        }
    }
}
