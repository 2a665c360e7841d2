//! How processes of a cluster greet each other: a word of ours, the process's index, what the connection is for, and what must be equal
//! everywhere, so that processes that differ can say in what.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::counted::counted;
use crate::plan::identity::{Part, difference};

/// The first bytes of a connection: a name and the version of the greeting.
pub(super) const WORD: [u8; 8] = *b"hiwater3";

/// The longest description of a plan that is read from a peer, in bytes.
const PARTS_BYTES: u64 = 64 << 20;

/// How long a peer may take to greet.
pub(super) const GREETING: Duration = Duration::from_secs(5);

/// What all processes must have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Agreement {
    /// Workers per process.
    pub(super) workers: u64,
    /// The plan, and what of the configuration decides on results.
    pub(super) parts: Vec<Part>,
    /// The data directory of the process.
    pub(super) directory: Option<Directory>,
}

/// The data directory of a process, for the others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Directory {
    /// The identity of its log.
    pub(super) lineage: String,
    /// Those of the logs that it was written beside, by process; empty if it has not met them yet.
    pub(super) beside: Vec<String>,
}

/// What a connection is for, as its greeting says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Link {
    /// What the workers tell each other.
    Data,
    /// Signs of life.
    Pulse,
}

pub(super) const LINKS: [Link; 2] = [Link::Data, Link::Pulse];

/// What differs between a peer and this process, if anything does.
pub(super) fn agree((peer, me): (usize, usize), ours: &Agreement, theirs: &Agreement) -> Result<(), String> {
    if ours.workers != theirs.workers {
        let (ours, theirs) = (ours.workers, counted(theirs.workers, "worker"));
        return Err(format!("it has {theirs}, this one {ours}; give every process the same -w"));
    }
    if let Some(what) = difference(&ours.parts, &theirs.parts) {
        return Err(format!("it runs another dataflow: {what}; give every process the same files and flags"));
    }
    let (Some(ours), Some(theirs)) = (&ours.directory, &theirs.directory) else {
        let (with, without) = match (&ours.directory, &theirs.directory) {
            (None, None) => return Ok(()),
            (Some(_), _) => ("this one", "it"),
            _ => ("it", "this one"),
        };
        return Err(format!(
            "{with} has a data directory, {without} has none; give every process one of its own, or none"
        ));
    };
    let met =
        |one: &Directory, other: &Directory, at: usize| one.beside.get(at).is_none_or(|known| *known == other.lineage);
    if met(ours, theirs, peer) && met(theirs, ours, me) {
        return Ok(());
    }
    let what = "its data directory and this one's were not written beside each other; give every process the one that it had, or all of \
                them new ones";
    Err(what.to_owned())
}

pub(super) fn greet(stream: &mut TcpStream, me: usize, link: Link, agreement: &Agreement) -> io::Result<()> {
    let parts = serde_json::to_vec(&(&agreement.parts, &agreement.directory))?;
    let mut greeting = WORD.to_vec();
    for number in [me as u64, link as u64, agreement.workers, parts.len() as u64] {
        greeting.extend(number.to_be_bytes());
    }
    greeting.extend(parts);
    stream.write_all(&greeting)
}

pub(super) fn hear(stream: &mut TcpStream) -> io::Result<(usize, Link, Agreement)> {
    let otherwise = || io::Error::new(io::ErrorKind::InvalidData, "it greets otherwise");
    stream.set_read_timeout(Some(GREETING))?;
    let mut read = || -> io::Result<[u8; 8]> {
        let mut part = [0; 8];
        stream.read_exact(&mut part)?;
        Ok(part)
    };
    // The word alone first: whoever is not of this cluster may send no more.
    if read()? != WORD {
        return Err(otherwise());
    }
    let [me, link, workers, length] = [read()?, read()?, read()?, read()?].map(u64::from_be_bytes);
    let link = LINKS.into_iter().find(|known| *known as u64 == link).ok_or_else(otherwise)?;
    if length > PARTS_BYTES {
        return Err(otherwise());
    }
    let mut parts = Vec::new();
    stream.take(length).read_to_end(&mut parts)?;
    stream.set_read_timeout(None)?;
    let (parts, directory) = serde_json::from_slice(&parts).map_err(|_| otherwise())?;
    Ok((me as usize, link, Agreement { workers, parts, directory }))
}
