//! [`Delta`] as a timely container: how it is counted, how it crosses processes.

use timely::Accountable;
use timely::dataflow::channels::ContainerBytes;

use super::{Delta, wire};

impl Accountable for Delta {
    fn record_count(&self) -> i64 {
        self.len() as i64
    }
}

impl ContainerBytes for Delta {
    fn from_bytes(bytes: timely::bytes::arc::Bytes) -> Self {
        wire::from_bytes(&bytes)
    }

    fn length_in_bytes(&self) -> usize {
        wire::length(self)
    }

    fn into_bytes<W: std::io::Write>(&self, writer: &mut W) {
        wire::encode(self, writer);
    }
}
