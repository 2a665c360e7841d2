//! `http` and `websocket`: rows that clients push, over either of both. One order of arrival, and one watermark, per
//! process: the server decodes with an [`super::Intake`] and hands over; nothing is read here.

use super::filesystem::{check_options, refuse};
use super::headers::METADATA;
use super::position::only_once;
use super::{Connector, Intake, MetadataColumn, Reader, Replay, RowLimits, SourceError, SourceSpec, SplitId, Start};
use crate::format;
use crate::options::{OptionError, OptionSpec, Options};

/// The connector `http`, by one of its names.
#[derive(Debug)]
pub(super) struct Http(pub(super) &'static str);

const OPTIONS: &[OptionSpec] = &[
    OptionSpec { name: "queue-rows", help: "how many rows may wait for the workers; then 429 (default 131072)" },
    OptionSpec { name: "queue-bytes", help: "how many bytes of columns may wait; then 429 (default 64 MiB)" },
    OptionSpec {
        name: "max-row-bytes",
        help: "the longest row, in bytes of its text (default: the server's limit 'row'); a longer one becomes a dead letter",
    },
    OptionSpec {
        name: "dedup.key",
        help: "a column: a row whose value there was taken within the horizon counts as a duplicate and is not taken again",
    },
    OptionSpec { name: "dedup.horizon", help: "how long a key is known, in event time (default 1 hour)" },
    OptionSpec {
        name: "ack",
        help: "what answers to clients wait for: received, durable (on disk; the default with --data-dir), visible (in all views)",
    },
    format::TEXT_OPTIONS[0],
    format::TEXT_OPTIONS[1],
    format::TEXT_OPTIONS[2],
    format::TEXT_OPTIONS[3],
    format::TEXT_OPTIONS[4],
];

/// What a client that pushes rows may wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acknowledged {
    /// They are in the queue, and may be lost.
    Received,
    /// They are on disk.
    Durable,
    /// Every view shows them.
    Visible,
}

impl Acknowledged {
    const ALL: [Acknowledged; 3] = [Acknowledged::Received, Acknowledged::Durable, Acknowledged::Visible];

    /// Its name on every surface.
    pub fn name(self) -> &'static str {
        match self {
            Acknowledged::Received => "received",
            Acknowledged::Durable => "durable",
            Acknowledged::Visible => "visible",
        }
    }

    /// The one of that name.
    pub fn named(name: &str) -> Option<Acknowledged> {
        Acknowledged::ALL.into_iter().find(|ack| ack.name() == name)
    }

    /// What the option `ack` says.
    ///
    /// # Errors
    /// It is another word.
    pub fn of(options: &Options) -> Result<Option<Acknowledged>, OptionError> {
        let Some(value) = options.get("ack") else { return Ok(None) };
        let invalid = || OptionError::Invalid {
            name: "ack".to_owned(),
            value: value.to_owned(),
            reason: "write received, durable or visible".to_owned(),
        };
        Acknowledged::named(value).map(Some).ok_or_else(invalid)
    }
}

/// How many rows and bytes may wait.
pub(super) fn room(spec: &SourceSpec) -> Result<(usize, usize), SourceError> {
    let rows = spec.options.parse::<usize>("queue-rows", "a number")?.unwrap_or(131_072);
    Ok((rows.max(1), spec.options.bytes("queue-bytes")?.unwrap_or(64 << 20).max(1)))
}

impl Connector for Http {
    fn name(&self) -> &'static str {
        self.0
    }

    fn help(&self) -> &'static str {
        "takes what clients push: POST /api/v1/sources/NAME/events and WebSocket /api/v1/sources/NAME/ws"
    }

    fn options(&self) -> &'static [OptionSpec] {
        OPTIONS
    }

    fn metadata(&self) -> &'static [MetadataColumn] {
        METADATA
    }

    fn live(&self, _: &Options) -> bool {
        true
    }

    fn pushed(&self, spec: &SourceSpec) -> Result<Option<(usize, usize)>, SourceError> {
        room(spec).map(Some)
    }

    fn check(&self, spec: &SourceSpec) -> Result<(), SourceError> {
        check_options(spec, self.options(), Some("body.json"))?;
        let format = spec.formats.choose(&spec.options, "body.json").map_err(|error| refuse(spec, error))?;
        if format.name() == "parquet" {
            return Err(SourceError::Schema {
                source_name: spec.name.clone(),
                what: "Parquet is not read from requests".to_owned(),
                remedy: "write 'format' = 'json', 'csv', 'msgpack', 'arrow', 'raw', 'regex' or 'grok'".to_owned(),
            });
        }
        room(spec)?;
        Acknowledged::of(&spec.options)?;
        Intake::new(spec, RowLimits::default()).map(drop)
    }

    fn replay(&self) -> Replay {
        Replay::Once
    }

    fn splits(&self, _: &SourceSpec) -> Result<Vec<SplitId>, SourceError> {
        Ok(Vec::new())
    }

    fn open(&self, spec: &SourceSpec, splits: &[(SplitId, Start)]) -> Result<Vec<Box<dyn Reader>>, SourceError> {
        self.check(spec)?;
        only_once(spec, splits)?;
        Ok(Vec::new())
    }
}
