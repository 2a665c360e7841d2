//! The connections of a source: which partitions there are, where they begin, and what its readers share.
//!
//! Invariant: what a broker says that passes is told as such ([`SourceError::passes`]); what does not, a wrong password, a topic that is
//! not there, names what it is.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use highwater_core::source::{SourceError, SplitId};
use highwater_core::time::Clock;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode as Code};
use rdkafka::metadata::Metadata;
use rdkafka::{Offset, TopicPartitionList};

use super::settings::{Settings, Topics};

/// How long an answer of a broker is waited for at a time.
pub(crate) const TIMEOUT: Duration = Duration::from_millis(1_000);

/// How often it is asked before that counts as a failure.
const ASKED: usize = 10;

/// Topics that a message names.
const NAMED: usize = 20;

/// What is heard of a client's brokers.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    /// How often something was wrong.
    troubles: AtomicU64,
    last: Mutex<Option<(Code, String)>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Hears for the client.
#[derive(Debug)]
pub(crate) struct Context(Arc<Heard>);

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, about: &str, text: &str) {
        // What matters of it is told where the splits stand.
        tracing::debug!(target: "highwater::kafka", "{level:?} {about}: {text}");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        let Some(code) = error.rdkafka_error_code() else { return };
        if matches!(code, Code::PartitionEOF | Code::AutoOffsetReset | Code::GroupAuthorizationFailed) {
            return;
        }
        tracing::debug!(target: "highwater::kafka", "{code:?}: {reason}");
        // A password that is refused matters more than that no broker is left then.
        let mut last = lock(&self.0.last);
        if !last.as_ref().is_some_and(|(before, _)| is_final(*before)) || is_final(code) {
            *last = Some((code, reason.to_owned()));
        }
        self.0.troubles.fetch_add(1, Ordering::AcqRel);
    }
}

impl ConsumerContext for Context {
    fn commit_callback(&self, result: KafkaResult<()>, _: &TopicPartitionList) {
        if let Err(error) = result {
            tracing::warn!(target: "highwater::kafka", "the group was not told how far its source is: {error}");
        }
    }
}

/// Whether it does not pass by itself.
fn is_final(code: Code) -> bool {
    matches!(
        code,
        Code::Authentication
            | Code::SaslAuthenticationFailed
            | Code::UnsupportedSASLMechanism
            | Code::IllegalSASLState
            | Code::SSL
            | Code::TopicAuthorizationFailed
            | Code::GroupAuthorizationFailed
            | Code::ClusterAuthorizationFailed
            | Code::UnknownTopic
            | Code::UnknownTopicOrPartition
            | Code::UnknownPartition
            | Code::InvalidTopic
            | Code::InvalidGroupId
            | Code::UnsupportedVersion
            | Code::NotImplemented
            | Code::InvalidArgument
    )
}

/// See the module.
pub(crate) struct Client {
    source: String,
    servers: String,
    pub(crate) consumer: Arc<BaseConsumer<Context>>,
    heard: Arc<Heard>,
    commits: Option<Duration>,
    group: Mutex<Group>,
}

/// What the group is to be told.
struct Group {
    clock: Clock,
    told: Duration,
    offsets: BTreeMap<(String, i32), i64>,
}

impl Client {
    /// A client of these settings; nothing is asked of a broker yet.
    pub(crate) fn new(settings: &Settings, source: &str) -> Result<Client, SourceError> {
        let heard = Arc::new(Heard::default());
        let created = settings.config.create_with_context(Context(heard.clone()));
        let consumer: BaseConsumer<Context> = created.map_err(|error| SourceError::Schema {
            source_name: source.to_owned(),
            what: format!("there can be no client with these 'properties.*': {error}"),
            remedy: "correct them".to_owned(),
        })?;
        Ok(Client {
            source: source.to_owned(),
            servers: settings.config.get("bootstrap.servers").unwrap_or_default().to_owned(),
            consumer: Arc::new(consumer),
            heard,
            commits: settings.commits,
            group: Mutex::new(Group { clock: Clock::start(), told: Duration::ZERO, offsets: BTreeMap::new() }),
        })
    }

    /// How often something was wrong with brokers.
    pub(crate) fn troubles(&self) -> u64 {
        self.heard.troubles.load(Ordering::Acquire)
    }

    /// Hears what brokers have said meanwhile.
    pub(crate) fn serve(&self) {
        // Messages have queues of their own.
        for _ in 0..16 {
            if self.consumer.poll(Duration::ZERO).is_none() {
                return;
            }
        }
    }

    /// The refusal of what does not pass.
    pub(crate) fn refuse(&self, what: String, remedy: &str) -> SourceError {
        SourceError::Schema { source_name: self.source.clone(), what, remedy: remedy.to_owned() }
    }

    /// What failed with brokers, as what passes or what does not.
    pub(crate) fn failed(&self, what: &str, error: &KafkaError) -> SourceError {
        let heard = lock(&self.heard.last).clone();
        let code = error.rdkafka_error_code();
        let said = heard.filter(|(heard, _)| code.is_none_or(|code| !is_final(code)) || Some(*heard) == code);
        let (code, text) = match said {
            Some((code, text)) => (Some(code), text),
            None => (code, code.map_or_else(|| error.to_string(), |code| code.to_string())),
        };
        let remedy = match code {
            Some(Code::Authentication | Code::SaslAuthenticationFailed) => {
                "correct the user and password in 'properties.sasl.jaas.config', or 'properties.sasl.mechanism'"
            }
            Some(Code::SSL) => "correct 'properties.ssl.*' and 'properties.security.protocol'",
            Some(code) if is_final(code) => "correct the options, or what the broker allows",
            _ => {
                let text = format!("{} ({})", text, self.servers);
                let error = io::Error::new(io::ErrorKind::TimedOut, text);
                return SourceError::Io { source_name: self.source.clone(), what: what.to_owned(), error };
            }
        };
        self.refuse(format!("{what}: {text} ({})", self.servers), remedy)
    }

    /// Asks until there is an answer, for a while; gives up at once on what does not pass.
    pub(crate) fn asked<T>(&self, what: &str, mut ask: impl FnMut() -> KafkaResult<T>) -> Result<T, SourceError> {
        *lock(&self.heard.last) = None;
        let mut tries = 0;
        loop {
            let asked = ask();
            self.serve();
            let error = match asked {
                Ok(answer) => {
                    *lock(&self.heard.last) = None;
                    return Ok(answer);
                }
                Err(error) => self.failed(what, &error),
            };
            tries += 1;
            if !error.passes() || tries == ASKED {
                return Err(error);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The partitions of topics as splits, by topic and number.
    pub(crate) fn splits(&self, topics: &Topics) -> Result<Vec<SplitId>, SourceError> {
        let fetch = |topic: Option<&str>| -> Result<Metadata, SourceError> {
            let what =
                topic.map_or_else(|| "looking for topics".to_owned(), |topic| format!("looking at topic '{topic}'"));
            self.asked(&what, || self.consumer.fetch_metadata(topic, TIMEOUT))
        };
        let mut found: Vec<(String, i32)> = Vec::new();
        match topics {
            Topics::Named(names) => {
                for name in names {
                    let metadata = fetch(Some(name))?;
                    found.extend(self.partitions(name, &metadata)?.into_iter().map(|number| (name.clone(), number)));
                }
            }
            Topics::Matching(pattern) => {
                let metadata = fetch(None)?;
                let matches =
                    metadata.topics().iter().filter(|topic| pattern.is_match(topic.name()) && !hidden(topic.name()));
                for topic in matches {
                    let numbers = topic.partitions().iter().map(|partition| (topic.name().to_owned(), partition.id()));
                    found.extend(numbers);
                }
                if found.is_empty() {
                    return Err(self.refuse(
                        format!("no topic matches 'topic-pattern'{}", there(&metadata)),
                        "correct it: it stands for the whole name",
                    ));
                }
            }
        }
        found.sort();
        Ok(found.into_iter().map(|(topic, number)| SplitId::new(format!("{topic}/{number}"))).collect())
    }

    /// The partitions of one topic.
    fn partitions(&self, name: &str, metadata: &Metadata) -> Result<Vec<i32>, SourceError> {
        let topic = metadata.topics().iter().find(|topic| topic.name() == name);
        let error = topic.and_then(|topic| topic.error()).map(Code::from);
        let partitions = topic.map(|topic| topic.partitions()).unwrap_or_default();
        match error {
            None if !partitions.is_empty() => Ok(partitions.iter().map(|partition| partition.id()).collect()),
            None | Some(Code::UnknownTopicOrPartition | Code::UnknownTopic) => {
                let all = self.consumer.fetch_metadata(None, TIMEOUT);
                let there = all.as_ref().map(there).unwrap_or_default();
                Err(self.refuse(
                    format!("there is no topic '{name}' at {}{there}", self.servers),
                    "create it, or correct 'topic'",
                ))
            }
            Some(code) => Err(self.failed(&format!("looking at topic '{name}'"), &KafkaError::MetadataFetch(code))),
        }
    }

    /// What a partition brought is safe up to this offset: the group is told, with others and not at once.
    pub(crate) fn kept(&self, topic: &str, partition: i32, offset: i64) {
        let Some(every) = self.commits else { return };
        let mut group = lock(&self.group);
        group.offsets.insert((topic.to_owned(), partition), offset);
        if group.clock.elapsed() - group.told >= every {
            self.tell(&mut group);
        }
    }

    fn tell(&self, group: &mut Group) {
        group.told = group.clock.elapsed();
        let mut list = TopicPartitionList::new();
        for ((topic, partition), offset) in std::mem::take(&mut group.offsets) {
            drop(list.add_partition_offset(&topic, partition, Offset::Offset(offset)));
        }
        if list.count() > 0
            && let Err(error) = self.consumer.commit(&list, CommitMode::Async)
        {
            tracing::warn!("source '{}': the group was not told how far it is: {error}", self.source);
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let mut group = std::mem::replace(
            &mut *lock(&self.group),
            Group { clock: Clock::start(), told: Duration::ZERO, offsets: BTreeMap::new() },
        );
        self.tell(&mut group);
    }
}

/// Topics that Kafka keeps for itself.
fn hidden(name: &str) -> bool {
    name.starts_with("__")
}

/// The topics that there are, for a message.
fn there(metadata: &Metadata) -> String {
    let mut names: Vec<&str> =
        metadata.topics().iter().map(|topic| topic.name()).filter(|name| !hidden(name)).collect();
    names.sort_unstable();
    let more = names.len().saturating_sub(NAMED);
    names.truncate(NAMED);
    match names.is_empty() {
        true => "; it has no topics".to_owned(),
        false => format!(
            "; it has {}{}",
            names.join(", "),
            if more > 0 { format!(" and {more} more") } else { String::new() }
        ),
    }
}
