//! A snapshot on the disk: a pack of the log's room, whose parts are Arrow streams of the sections of operators and of the keys of
//! partitions, and whose head says what they are, as JSON.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_ipc::reader::StreamReader;
use arrow_ipc::writer::StreamWriter;
use arrow_schema::ArrowError;
use highwater_log::{Disk, Error, Pack, PackWriter};
use serde::{Deserialize, Serialize};

use super::super::super::frames::Begun;
use super::partition::PartitionCut;
use crate::delta::memory;
use crate::operator::{SavedOperator, SavedSection, SavedStates};
use crate::sink::Mark;
use crate::time::Epoch;

/// The version of what the head says.
const FORMAT: u32 = 1;

/// Rows of so many bytes in memory stand in one part, about.
const PART_BYTES: usize = 8 << 20;

/// What a snapshot holds.
#[derive(Clone, Debug)]
pub(super) struct Snapshot {
    pub(super) about: About,
    pub(super) partitions: Vec<PartitionCut>,
    /// How long the outputs of sinks are, by their writers.
    pub(super) sinks: BTreeMap<Begun, Mark>,
    pub(super) states: SavedStates,
}

/// Where a snapshot stands in the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct About {
    format: u32,
    /// Of this program, that wrote it.
    pub(super) version: String,
    /// The identity of the log.
    pub(super) lineage: String,
    /// The epoch at which operators were saved.
    pub(super) cut: Epoch,
    /// A start needs the frames from that one on.
    pub(super) from: u64,
    /// The log reached so far when all of it was saved.
    pub(super) upto: u64,
    /// When that was, in ms since 1970.
    pub(super) taken_ms: i64,
}

impl About {
    pub(super) fn new(lineage: u128, cut: Epoch, (from, upto): (u64, u64), taken_ms: i64) -> About {
        let (version, lineage) = (env!("CARGO_PKG_VERSION").to_owned(), format!("{lineage:032x}"));
        About { format: FORMAT, version, lineage, cut, from, upto, taken_ms }
    }
}

#[derive(Serialize, Deserialize)]
struct Head {
    about: About,
    /// Each with the part that holds its keys.
    partitions: Vec<(PartitionCut, Option<usize>)>,
    /// Writers of sinks, each with its mark.
    sinks: Vec<(Begun, String)>,
    operators: Vec<OperatorParts>,
}

#[derive(Serialize, Deserialize)]
struct OperatorParts {
    name: String,
    sections: Vec<SectionParts>,
}

#[derive(Serialize, Deserialize)]
struct SectionParts {
    name: String,
    version: u32,
    parts: Vec<usize>,
}

/// Why a snapshot is not read.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unusable {
    /// It cannot be read.
    #[error("{0}")]
    Disk(#[from] Error),
    /// Its bytes are whole, and this program does not understand them.
    #[error("'{0}': {1}")]
    Unread(String, String),
}

/// The name of a snapshot of that number; those with greater ones are newer.
pub(super) fn name_of(number: u64) -> String {
    format!("snapshot-{number:012}")
}

/// The number of a snapshot, by its name.
fn number_of(name: &str) -> Option<u64> {
    let number = name.strip_prefix("snapshot-")?;
    (number.len() == 12 && number.bytes().all(|byte| byte.is_ascii_digit())).then(|| number.parse().ok())?
}

/// The numbers of all that are there, the newest first.
pub(super) fn numbers(disk: &dyn Disk) -> std::io::Result<Vec<u64>> {
    let mut numbers: Vec<u64> = disk.list()?.iter().filter_map(|name| number_of(name)).collect();
    numbers.sort_unstable_by(|a, b| b.cmp(a));
    Ok(numbers)
}

fn stream(rows: &[RecordBatch]) -> Result<Vec<u8>, ArrowError> {
    let Some(first) = rows.first() else { return Ok(Vec::new()) };
    let mut writer = StreamWriter::try_new(Vec::new(), first.schema_ref())?;
    rows.iter().try_for_each(|rows| writer.write(rows))?;
    writer.into_inner()
}

fn read(bytes: &[u8]) -> Result<Vec<RecordBatch>, ArrowError> {
    if bytes.is_empty() {
        return Ok(Vec::new());
    }
    StreamReader::try_new(bytes, None)?.collect()
}

impl Snapshot {
    /// Writes it, whole and durable, or not at all; how long it is, in bytes.
    pub(super) fn write(&self, disk: &Arc<dyn Disk>, number: u64) -> Result<u64, Unusable> {
        let mut writer = PackWriter::begin(disk.clone())?;
        match self.parts(&mut writer, &name_of(number)) {
            Ok(head) => Ok(writer.finish(&name_of(number), &head)?),
            Err(error) => {
                writer.give_up();
                Err(error)
            }
        }
    }

    fn parts(&self, writer: &mut PackWriter, name: &str) -> Result<Vec<u8>, Unusable> {
        let unwritten = |why: String| Unusable::Unread(name.to_owned(), why);
        let mut add = |rows: &[RecordBatch]| -> Result<usize, Unusable> {
            let bytes = stream(rows).map_err(|error| unwritten(error.to_string()))?;
            Ok(writer.add(&bytes)?)
        };
        let mut partitions = Vec::new();
        for partition in &self.partitions {
            let keys = partition.keys.as_ref().map(|keys| add(std::slice::from_ref(keys))).transpose()?;
            partitions.push((partition.clone(), keys));
        }
        let mut operators = Vec::new();
        for SavedOperator { name, sections: all } in &self.states.operators {
            let mut sections = Vec::new();
            for SavedSection { name, version, rows } in all {
                let (mut parts, mut from, mut bytes) = (Vec::new(), 0, 0);
                for (at, batch) in rows.iter().enumerate() {
                    bytes += memory(batch);
                    if bytes >= PART_BYTES || at + 1 == rows.len() {
                        parts.push(add(&rows[from..=at])?);
                        (from, bytes) = (at + 1, 0);
                    }
                }
                sections.push(SectionParts { name: name.clone(), version: *version, parts });
            }
            operators.push(OperatorParts { name: name.clone(), sections });
        }
        let sinks = self.sinks.iter().map(|(writer, mark)| (writer.clone(), mark.to_string())).collect();
        let head = Head { about: self.about.clone(), partitions, sinks, operators };
        serde_json::to_vec(&head).map_err(|error| unwritten(error.to_string()))
    }

    /// What one says of itself; its parts are not looked at.
    pub(super) fn about(disk: &dyn Disk, number: u64) -> Result<(About, u64), Unusable> {
        let name = name_of(number);
        let pack = Pack::open(disk, &name)?;
        let head: Head = head(&pack, &name)?;
        Ok((head.about, pack.length()))
    }

    /// Reads one, checked.
    pub(super) fn read(disk: &dyn Disk, number: u64) -> Result<Snapshot, Unusable> {
        let name = name_of(number);
        let pack = Pack::open(disk, &name)?;
        let head: Head = head(&pack, &name)?;
        let rows = |part: usize| -> Result<Vec<RecordBatch>, Unusable> {
            read(&pack.part(part)?).map_err(|error| Unusable::Unread(name.clone(), error.to_string()))
        };
        let mut partitions = Vec::new();
        for (mut partition, keys) in head.partitions {
            partition.keys = keys.map(rows).transpose()?.and_then(|mut rows| rows.pop());
            partitions.push(partition);
        }
        let mut operators = Vec::new();
        for OperatorParts { name, sections: all } in head.operators {
            let mut sections = Vec::new();
            for SectionParts { name, version, parts } in all {
                let mut all = Vec::new();
                for part in parts {
                    all.extend(rows(part)?);
                }
                sections.push(SavedSection { name, version, rows: all });
            }
            operators.push(SavedOperator { name, sections });
        }
        let mark = |(writer, mark): (Begun, String)| {
            mark.parse().map(|mark| (writer, mark)).map_err(|why| Unusable::Unread(name.clone(), why))
        };
        let sinks = head.sinks.into_iter().map(mark).collect::<Result<_, _>>()?;
        let states = SavedStates { cut: head.about.cut, operators };
        Ok(Snapshot { about: head.about, partitions, sinks, states })
    }
}

fn head(pack: &Pack, name: &str) -> Result<Head, Unusable> {
    /// What every version has.
    #[derive(Deserialize)]
    struct Any {
        about: Format,
    }
    #[derive(Deserialize)]
    struct Format {
        format: u32,
        version: String,
    }
    let unread = |why: String| Unusable::Unread(name.to_owned(), why);
    let any: Any = serde_json::from_slice(pack.head()).map_err(|error| unread(error.to_string()))?;
    if any.about.format != FORMAT {
        let Format { format, version } = any.about;
        return Err(unread(format!("Highwater {version} wrote it in the format {format}, this is {FORMAT}")));
    }
    serde_json::from_slice(pack.head()).map_err(|error| unread(error.to_string()))
}
