//! Connectors that stand in packages of their own, each behind a feature, since they bring what costs to build: what they are called and
//! understand is known without them, so that a program that needs one is told which feature that is.

use super::MetadataColumn;
use crate::format;
use crate::options::OptionSpec;

/// A connector in a package of its own.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Optional {
    /// Its name in SQL.
    pub name: &'static str,
    /// The feature of the package highwater that brings it.
    pub feature: &'static str,
    /// One line on what it reads.
    pub help: &'static str,
    /// The options it understands besides those of every source.
    pub options: &'static [OptionSpec],
    /// What it knows of its rows besides what they say.
    pub metadata: &'static [MetadataColumn],
}

/// All of them.
pub const OPTIONAL: &[Optional] = &[KAFKA];

/// Topics of Apache Kafka.
pub const KAFKA: Optional = Optional {
    name: "kafka",
    feature: "kafka",
    help: "reads topics of Kafka, a partition of rows each of theirs",
    options: &[
        OptionSpec { name: "topic", help: "the topic, or several with ; between" },
        OptionSpec { name: "topic-pattern", help: "a regular expression for all of a topic's name, in place of topic" },
        OptionSpec {
            name: "properties.*",
            help: "the consumer's configuration, by Java's names or librdkafka's: properties.bootstrap.servers is needed",
        },
        OptionSpec {
            name: "scan.startup.mode",
            help: "where a partition is begun: group-offsets (default with properties.group.id), earliest-offset (default without), \
                   latest-offset, timestamp, specific-offsets",
        },
        OptionSpec {
            name: "scan.startup.timestamp-millis",
            help: "with timestamp: begin at the first message of that time or later, in ms since 1970",
        },
        OptionSpec {
            name: "scan.startup.specific-offsets",
            help: "with specific-offsets: partition:0,offset:42;partition:1,offset:300; others begin at their first message",
        },
        OptionSpec {
            name: "scan.bounded.mode",
            help: "where the source ends: unbounded (default), latest-offset (what is there when it starts), group-offsets, timestamp, \
                   specific-offsets",
        },
        OptionSpec {
            name: "scan.bounded.timestamp-millis",
            help: "with timestamp: end before the first message of that time or later, in ms since 1970",
        },
        OptionSpec {
            name: "scan.bounded.specific-offsets",
            help: "with specific-offsets: end before these, partition:0,offset:42;partition:1,offset:300",
        },
        OptionSpec { name: "value.format", help: "the format of values: the same as format" },
        OptionSpec { name: "value.*", help: "an option of that format: value.csv.field-delimiter" },
        OptionSpec { name: "value.fields-include", help: "which columns values have: ALL (default), EXCEPT_KEY" },
        OptionSpec { name: "key.format", help: "the format of keys (default: keys are not read)" },
        OptionSpec { name: "key.*", help: "an option of that format: key.csv.field-delimiter" },
        OptionSpec { name: "key.fields", help: "the columns that keys have, with ; between" },
        OptionSpec {
            name: "key.fields-prefix",
            help: "what stands before the names of these columns, and not in keys; with value.fields-include EXCEPT_KEY",
        },
        OptionSpec { name: "max-row-bytes", help: format::DECODING_OPTIONS[0].help },
        format::TEXT_OPTIONS[0],
        format::TEXT_OPTIONS[1],
        format::TEXT_OPTIONS[2],
        format::TEXT_OPTIONS[3],
        format::TEXT_OPTIONS[4],
    ],
    metadata: &[
        MetadataColumn { name: "topic", help: "the topic: VARCHAR" },
        MetadataColumn { name: "partition", help: "the partition's number: INT" },
        MetadataColumn { name: "offset", help: "the message's offset in its partition: BIGINT" },
        MetadataColumn { name: "timestamp", help: "the message's time: TIMESTAMP_LTZ(3) or TIMESTAMP(3)" },
        MetadataColumn {
            name: "timestamp-type",
            help: "whose time that is: NoTimestampType, CreateTime, LogAppendTime",
        },
        MetadataColumn { name: "headers", help: "the message's headers: MAP<STRING, BYTES> or MAP<STRING, STRING>" },
    ],
};
