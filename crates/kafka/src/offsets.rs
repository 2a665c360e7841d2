//! Where partitions begin and end: what a program says, as offsets.

use highwater_core::source::SourceError;
use rdkafka::consumer::Consumer;
use rdkafka::{Offset, TopicPartitionList};

use super::client::{Client, TIMEOUT};
use super::settings::{Place, Reset, Settings};

impl Client {
    /// The offset at which a partition begins.
    pub(crate) fn start(&self, settings: &Settings, topic: &str, partition: i32) -> Result<i64, SourceError> {
        if let Place::Offsets(offsets) = &settings.start
            && !offsets.contains_key(&partition)
        {
            return Ok(self.ends(topic, partition)?.0);
        }
        match self.at(&settings.start, topic, partition)? {
            Some(offset) => Ok(offset),
            None => match settings.reset {
                Reset::Earliest => Ok(self.ends(topic, partition)?.0),
                Reset::Latest => Ok(self.ends(topic, partition)?.1),
                Reset::Never => Err(self.refuse(
                    format!("the group has no offset for {topic}/{partition} to begin at"),
                    "write 'scan.startup.mode' = 'earliest-offset', or 'properties.auto.offset.reset' = 'earliest'",
                )),
            },
        }
    }

    /// The offset before which a partition ends.
    pub(crate) fn end(&self, place: &Place, topic: &str, partition: i32) -> Result<i64, SourceError> {
        let remedy = match place {
            Place::Offsets(_) => "name it in 'scan.bounded.specific-offsets'",
            _ => "write 'scan.bounded.mode' = 'latest-offset'",
        };
        let told = || self.refuse(format!("nothing says where {topic}/{partition} ends"), remedy);
        self.at(place, topic, partition)?.ok_or_else(told)
    }

    /// The first offset and the one behind the last.
    pub(crate) fn ends(&self, topic: &str, partition: i32) -> Result<(i64, i64), SourceError> {
        let what = format!("looking at {topic}/{partition}");
        self.asked(&what, || self.consumer.fetch_watermarks(topic, partition, TIMEOUT))
    }

    fn at(&self, place: &Place, topic: &str, partition: i32) -> Result<Option<i64>, SourceError> {
        let listed = |offset: Offset| {
            let mut list = TopicPartitionList::new();
            list.add_partition_offset(topic, partition, offset).map(|()| list)
        };
        let found = |list: &TopicPartitionList| {
            list.find_partition(topic, partition).map_or(Offset::Invalid, |found| found.offset())
        };
        match place {
            Place::Earliest => Ok(Some(self.ends(topic, partition)?.0)),
            Place::Latest => Ok(Some(self.ends(topic, partition)?.1)),
            Place::Offsets(offsets) => Ok(offsets.get(&partition).copied()),
            Place::Group => {
                let what = format!("looking at the group's offset of {topic}/{partition}");
                let list = self.asked(&what, || self.consumer.committed_offsets(listed(Offset::Invalid)?, TIMEOUT))?;
                Ok(match found(&list) {
                    Offset::Offset(offset) => Some(offset),
                    _ => None,
                })
            }
            Place::Time(ms) => {
                let what = format!("looking for the time {ms} in {topic}/{partition}");
                let list =
                    self.asked(&what, || self.consumer.offsets_for_times(listed(Offset::Offset(*ms))?, TIMEOUT))?;
                match found(&list) {
                    Offset::Offset(offset) => Ok(Some(offset)),
                    // None is of that time or later.
                    _ => Ok(Some(self.ends(topic, partition)?.1)),
                }
            }
        }
    }
}
