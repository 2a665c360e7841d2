//! `kafka`: topics of Apache Kafka, over librdkafka.
//!
//! A split is a partition of a topic, `topic/partition`; its position is the next offset. Partitions are assigned, never balanced by a
//! consumer group: which process reads which is the engine's to say, and where it goes on stands in its log. The group only shows
//! others how far that is.
//!
//! One client has the connections of a source ([`client`]), and a queue for each split ([`reader`]); what a broker that is away
//! does to a split is told where the split stands, and nothing ends by it.

#![forbid(unsafe_code)]

mod beside;
mod client;
mod jaas;
mod offsets;
mod properties;
mod reader;
mod settings;

use std::sync::Arc;

/// The client library, of the version that the connector stands on.
pub use rdkafka;

use highwater_core::options::{OptionSpec, Options};
use highwater_core::source::{
    Connector, KAFKA, MessageDecoding, MetadataColumn, Reader, Replay, SourceError, SourceSpec, SplitId, Start,
};

use client::Client;
use settings::Settings;

/// The connector `kafka`.
#[derive(Debug)]
pub struct Kafka;

impl Connector for Kafka {
    fn name(&self) -> &str {
        KAFKA.name
    }

    fn help(&self) -> &str {
        KAFKA.help
    }

    fn options(&self) -> &'static [OptionSpec] {
        KAFKA.options
    }

    fn metadata(&self) -> &'static [MetadataColumn] {
        KAFKA.metadata
    }

    fn live(&self, options: &Options) -> bool {
        !settings::bounded(options)
    }

    fn check(&self, spec: &SourceSpec) -> Result<(), SourceError> {
        let settings = Settings::of(spec)?;
        beside::check(spec)?;
        MessageDecoding::new(spec, &settings.value, settings.key.as_ref()).map(drop)
    }

    fn replay(&self) -> Replay {
        Replay::Seek
    }

    fn was(&self, spec: &SourceSpec, split: &SplitId) -> Result<Option<String>, SourceError> {
        let settings = Settings::of(spec)?;
        let Some(end) = settings.bounded.clone() else { return Ok(None) };
        let client = Client::new(&settings, &spec.name)?;
        let (topic, partition) = parted(spec, split)?;
        let start = client.start(&settings, &topic, partition)?;
        let end = client.end(&end, &topic, partition)?;
        Ok(Some(format!("offsets {start} to {end}")))
    }

    fn splits(&self, spec: &SourceSpec) -> Result<Vec<SplitId>, SourceError> {
        let settings = Settings::of(spec)?;
        Client::new(&settings, &spec.name)?.splits(&settings.topics)
    }

    fn open(&self, spec: &SourceSpec, splits: &[(SplitId, Start)]) -> Result<Vec<Box<dyn Reader>>, SourceError> {
        self.check(spec)?;
        if splits.is_empty() {
            return Ok(Vec::new());
        }
        let settings = Arc::new(Settings::of(spec)?);
        let client = Arc::new(Client::new(&settings, &spec.name)?);
        let open = |(split, start): &(SplitId, Start)| -> Result<Box<dyn Reader>, SourceError> {
            let (topic, partition) = parted(spec, split)?;
            let decoding = MessageDecoding::new(spec, &settings.value, settings.key.as_ref())?;
            let of = reader::Split { spec, topic, partition, start: start.clone() };
            Ok(Box::new(reader::SplitReader::new(of, decoding, settings.clone(), client.clone())))
        };
        splits.iter().map(open).collect()
    }
}

/// The topic and the partition that a split is.
fn parted(spec: &SourceSpec, split: &SplitId) -> Result<(String, i32), SourceError> {
    let parts = split.as_str().rsplit_once('/');
    let parsed = parts.and_then(|(topic, partition)| Some((topic.to_owned(), partition.parse().ok()?)));
    parsed.ok_or_else(|| SourceError::Schema {
        source_name: spec.name.clone(),
        what: format!("'{split}' is no partition of a topic"),
        remedy: "name another data directory: this one is of something else".to_owned(),
    })
}
