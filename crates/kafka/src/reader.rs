//! One partition of a topic being read, on a thread of its own.
//!
//! Where it begins is asked of the broker when it is first read, and handed on at once as a position without rows: what `latest` meant
//! then is what it means after a restart. A broker that is away is waited for, twice as long each time; messages that come
//! meanwhile end the wait, and no message is asked for twice.

use std::sync::Arc;
use std::time::Duration;

use highwater_core::retry::Standing;
use highwater_core::source::{
    Decoded, MessageDecoding, Messages, Position, Read, Reader, SourceError, SourceSpec, Start,
};
use highwater_core::time::Clock;
use rdkafka::consumer::Consumer;
use rdkafka::consumer::base_consumer::PartitionQueue;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::Message;
use rdkafka::{Offset, TopicPartitionList};

use super::beside::Gathered;
use super::client::{Client, Context};
use super::settings::{Reset, Settings};

/// How long it waits for a message before it looks whether anybody needs it still.
const POLL: Duration = Duration::from_millis(100);

/// Bytes of messages that are handed on together, at most, unless one is longer.
const BYTES: usize = 1 << 20;

/// What is read.
pub(crate) struct Split<'a> {
    pub(crate) spec: &'a SourceSpec,
    pub(crate) topic: String,
    pub(crate) partition: i32,
    pub(crate) start: Start,
}

/// See the module.
pub(crate) struct SplitReader {
    source: String,
    name: String,
    topic: String,
    partition: i32,
    start: Option<Start>,
    settings: Arc<Settings>,
    client: Arc<Client>,
    queue: Option<PartitionQueue<Context>>,
    decoding: MessageDecoding,
    messages: Messages,
    beside: Gathered,
    /// The next offset, how many rows were handed on, and where it ends.
    next: i64,
    rows: u64,
    end: Option<i64>,
    ended: bool,
    /// The next offset is not there.
    gone: bool,
    standing: Arc<Standing>,
    waits: Waits,
}

/// Whether it waits for a broker.
struct Waits {
    clock: Clock,
    /// Troubles of the client that it has looked into.
    seen: u64,
    /// When it tries again, by the clock.
    again: Option<Duration>,
}

impl SplitReader {
    pub(crate) fn new(
        split: Split<'_>,
        decoding: MessageDecoding,
        settings: Arc<Settings>,
        client: Arc<Client>,
    ) -> SplitReader {
        let Split { spec, topic, partition, start } = split;
        SplitReader {
            source: spec.name.clone(),
            name: format!("{topic}/{partition}"),
            beside: Gathered::new(spec, &topic, partition),
            topic,
            partition,
            rows: start.position().rows,
            start: Some(start),
            settings,
            client,
            queue: None,
            decoding,
            messages: Messages::default(),
            next: 0,
            end: None,
            ended: false,
            gone: false,
            standing: Arc::default(),
            waits: Waits { clock: Clock::start(), seen: 0, again: None },
        }
    }

    fn what(&self) -> String {
        format!("source '{}', {}", self.source, self.name)
    }

    /// Asks where it begins and ends, and is assigned.
    fn begin(&mut self, start: &Start) -> Result<(), SourceError> {
        let (topic, partition) = (&self.topic, self.partition);
        self.next = match start {
            Start::Beginning => self.client.start(&self.settings, topic, partition)?,
            Start::At(position) => i64::try_from(position.spot.at).unwrap_or(i64::MAX),
        };
        self.end = match &self.settings.bounded {
            Some(place) => Some(self.client.end(place, topic, partition)?),
            None => None,
        };
        self.ended = self.end.is_some_and(|end| self.next >= end);
        if !self.ended {
            self.assign()?;
        }
        Ok(())
    }

    fn assign(&mut self) -> Result<(), SourceError> {
        let consumer = &self.client.consumer;
        let mut list = TopicPartitionList::new();
        let assigned =
            list.add_partition_offset(&self.topic, self.partition, Offset::Offset(self.next)).and_then(|()| {
                // Before it is assigned: none of its messages comes by another queue.
                self.queue = consumer.split_partition_queue(&self.topic, self.partition);
                consumer.incremental_assign(&list)
            });
        let what = format!("reading {}", self.name);
        assigned.map_err(|error| self.client.failed(&what, &error))?;
        match self.queue {
            Some(_) => Ok(()),
            None => Err(self.client.refuse(format!("{} is no partition", self.name), "correct 'topic'")),
        }
    }

    fn unassign(&mut self) {
        if self.queue.take().is_some() {
            let mut list = TopicPartitionList::new();
            list.add_partition(&self.topic, self.partition);
            // What is not assigned any more needs no taking away.
            let _ = self.client.consumer.incremental_unassign(&list);
        }
    }

    /// Takes what has come, as much as is handed on together; whether anything was heard of the partition.
    fn fill(&mut self) -> Result<bool, SourceError> {
        let Some(queue) = &self.queue else { return Ok(false) };
        let (mut wait, mut heard) = (POLL, false);
        while self.messages.len() < self.settings.batch && self.messages.bytes() < BYTES {
            match queue.poll(wait) {
                None => break,
                Some(Ok(message)) => {
                    heard = true;
                    if self.end.is_some_and(|end| message.offset() >= end) {
                        self.ended = true;
                        break;
                    }
                    if message.offset() < self.next {
                        continue;
                    }
                    self.messages.push(message.offset().unsigned_abs(), message.key(), message.payload());
                    self.beside.push(&message);
                    self.next = message.offset() + 1;
                    self.ended = self.end.is_some_and(|end| self.next >= end);
                    if self.ended {
                        break;
                    }
                }
                // All up to its end has come; what is left before a bound was never there, or taken back.
                Some(Err(KafkaError::PartitionEOF(_))) => {
                    heard = true;
                    self.ended = self.end.is_some();
                    break;
                }
                Some(Err(error)) => match error.rdkafka_error_code() {
                    Some(Code::AutoOffsetReset | Code::OffsetOutOfRange) => {
                        self.gone = true;
                        break;
                    }
                    _ if matches!(error, KafkaError::MessageConsumptionFatal(_)) => {
                        return Err(self.client.failed(&format!("reading {}", self.name), &error));
                    }
                    // The client has heard of it, and goes on.
                    _ => break,
                },
            }
            wait = Duration::ZERO;
        }
        Ok(heard)
    }

    /// The next offset is not there: goes on where the program says, or tells what is missing.
    fn reset(&mut self) -> Result<(), SourceError> {
        let (first, behind) = self.client.ends(&self.topic, self.partition)?;
        let what = format!("offset {} of {} is not there: it has {first} to {behind}", self.next, self.name);
        let to = match self.settings.reset {
            Reset::Earliest => first,
            Reset::Latest => behind,
            Reset::Never => {
                return Err(self.client.refuse(
                    format!("{what}; messages that were not read are gone, or the topic was made anew"),
                    "write 'properties.auto.offset.reset' = 'earliest' to go on with what is there, or begin with a fresh data directory",
                ));
            }
        };
        tracing::warn!("{}: {what}; it goes on at {to}, as 'properties.auto.offset.reset' says", self.what());
        self.unassign();
        self.next = to;
        self.ended = self.end.is_some_and(|end| to >= end);
        if self.ended { Ok(()) } else { self.assign() }
    }

    /// Asks the broker where it begins, or goes on; waits for it where it is away.
    fn begins(&mut self) -> Result<Read, SourceError> {
        if self.waits.again.is_some_and(|again| self.waits.clock.elapsed() < again) {
            return Ok(Read::Wait(POLL));
        }
        let done = match self.start.clone() {
            Some(start) => self.begin(&start),
            None => self.reset(),
        };
        let what = self.what();
        match done {
            Ok(()) => {
                (self.start, self.gone) = (None, false);
                self.standing.went_well(&what);
                self.waits.again = None;
                self.waits.seen = self.client.troubles();
                Ok(Read::Rows(self.here()))
            }
            Err(error) if error.passes() => {
                self.waits(&what, &error);
                self.unassign();
                Ok(Read::Wait(POLL))
            }
            Err(error) => Err(error),
        }
    }

    /// It failed for a reason that passes: says so, and when it tries again.
    fn waits(&mut self, what: &str, error: &SourceError) {
        let wait = self.standing.failed(what, &error.detail());
        self.waits.again = Some(self.waits.clock.elapsed() + wait);
    }

    /// Something is wrong with a broker: looks whether it is this partition's, and says so until it is not any more.
    fn look(&mut self, heard: bool) {
        let what = self.what();
        let troubles = self.client.troubles();
        if heard {
            self.waits.seen = troubles;
            if self.waits.again.take().is_some() {
                self.standing.went_well(&what);
            }
            return;
        }
        let due = match self.waits.again {
            Some(again) => self.waits.clock.elapsed() >= again,
            None => troubles != self.waits.seen,
        };
        if !due {
            return;
        }
        self.waits.seen = troubles;
        let asked = self.client.consumer.fetch_watermarks(&self.topic, self.partition, super::client::TIMEOUT);
        match asked {
            Ok(_) => {
                if self.waits.again.take().is_some() {
                    self.standing.went_well(&what);
                }
            }
            Err(error) => {
                let error = self.client.failed(&format!("reading {}", self.name), &error);
                self.waits(&what, &error);
            }
        }
    }

    /// What was gathered, decoded, and where it is behind that; without messages that alone.
    fn here(&mut self) -> Decoded {
        let beside = self.beside.finish();
        let next = self.next.unsigned_abs();
        let decoded = self.decoding.decode((&self.source, &self.name), &self.messages, &beside, &mut self.rows, next);
        self.messages.clear();
        decoded
    }
}

impl Reader for SplitReader {
    fn name(&self) -> &str {
        &self.name
    }

    fn shown(&mut self, standing: &Arc<Standing>) {
        self.standing = standing.clone();
    }

    fn kept(&mut self, position: &Position) {
        if let Ok(offset) = i64::try_from(position.spot.at) {
            self.client.kept(&self.topic, self.partition, offset);
        }
    }

    fn read(&mut self) -> Result<Read, SourceError> {
        if self.start.is_some() || self.gone {
            return self.begins();
        }
        if self.ended {
            self.unassign();
            return Ok(Read::End);
        }
        let heard = self.fill()?;
        self.client.serve();
        self.look(heard);
        if self.messages.is_empty() {
            return Ok(Read::Wait(Duration::ZERO));
        }
        Ok(Read::Rows(self.here()))
    }
}

impl Drop for SplitReader {
    fn drop(&mut self) {
        self.unassign();
    }
}
