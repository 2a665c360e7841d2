//! Messages of a broker, decoded: each is a record of its own with a number (its offset), a value in one format and a key perhaps in
//! another, and what the connector says of it (topic, time, headers) in columns beside. Pure: bytes in, rows and rejects out.
//!
//! A message that holds one line is decoded together with its neighbours, all others alone; which of both was chosen never shows.
//! Invariant: a message is one record. What is wrong with it is told under its number, and takes nothing of its neighbours.

mod decoded;
#[cfg(test)]
mod tests;

use std::ops::Range;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow_schema::{Schema, SchemaRef};
use arrow_select::take::take;

use self::decoded::{Decodes, Taken};
use super::beside::without;
use super::filesystem::{layout, refuse};
use super::{Decoded, Position, SourceError, SourceSpec};
use crate::delta::Reject;
use crate::format::{self, Came, Format, Layout, Spot};
use crate::options::Options;
use crate::registered::Registered;

/// What a word for a message without a value says.
const NO_VALUE: &str = "the message has no value (a tombstone), and the format has no row for that";

/// Messages of one split in their order, as they came.
#[derive(Debug, Default)]
pub struct Messages {
    numbers: Vec<u64>,
    keys: Texts,
    values: Texts,
}

/// Texts one behind the other, some of which are not there.
#[derive(Debug, Default)]
struct Texts {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    there: Vec<bool>,
}

impl Texts {
    fn push(&mut self, text: Option<&[u8]>) {
        self.bytes.extend_from_slice(text.unwrap_or_default());
        self.ends.push(self.bytes.len());
        self.there.push(text.is_some());
    }

    fn range(&self, at: usize) -> Range<usize> {
        at.checked_sub(1).map_or(0, |before| self.ends[before])..self.ends[at]
    }

    fn get(&self, at: usize) -> Option<&[u8]> {
        self.there[at].then(|| &self.bytes[self.range(at)])
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
        self.there.clear();
    }
}

impl Messages {
    /// One more, of a number above all before.
    pub fn push(&mut self, number: u64, key: Option<&[u8]>, value: Option<&[u8]>) {
        self.numbers.push(number);
        self.keys.push(key);
        self.values.push(value);
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.numbers.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.numbers.is_empty()
    }

    /// Bytes of their keys and values.
    pub fn bytes(&self) -> usize {
        self.keys.bytes.len() + self.values.bytes.len()
    }

    /// Takes all away.
    pub fn clear(&mut self) {
        self.numbers.clear();
        self.keys.clear();
        self.values.clear();
    }
}

/// How the keys of messages are read.
#[derive(Clone, Debug)]
pub struct KeyPart {
    /// The options of their format, `format` among them.
    pub options: Options,
    /// The declared columns that they have, as indices into the physical ones.
    pub columns: Vec<usize>,
    /// What stands before the names of these columns, and not in the key.
    pub prefix: String,
}

/// What decodes the messages of one split.
#[derive(Debug)]
pub struct MessageDecoding {
    wanted: SchemaRef,
    /// Where each wanted column comes from.
    columns: Vec<Origin>,
    value: Decodes,
    key: Option<Decodes>,
    /// Whether the format itself has nothing to say of a message without a value.
    passes_tombstones: bool,
}

#[derive(Clone, Copy, Debug)]
enum Origin {
    Value(usize),
    Key(usize),
    /// The metadata of that number among those of the source.
    Beside(usize),
}

impl MessageDecoding {
    /// What decodes the messages of a source: `value` has the options of their format, `format` among them; `key` how keys are read if
    /// columns come of them. The columns of the source's metadata stand beside.
    ///
    /// # Errors
    /// A format cannot read such columns, or reads no messages.
    pub fn new(spec: &SourceSpec, value: &Options, key: Option<&KeyPart>) -> Result<MessageDecoding, SourceError> {
        let declared = layout(&SourceSpec { options: value.clone(), ..spec.clone() })?;
        let keyed = |at: usize| key.is_some_and(|key| key.columns.contains(&at));
        let beside = |at: usize| spec.metadata.iter().position(|(column, _)| *column == at);
        let of_value = without(&declared, |at| keyed(at) || beside(at).is_some());
        let of_key = key.map(|key| key_layout(spec, key)).transpose()?;
        let (mut values, mut keys) = (0.., 0..);
        let columns = declared.decode.iter().map(|&at| match beside(at) {
            Some(metadata) => Origin::Beside(metadata),
            None if keyed(at) => Origin::Key(keys.next().unwrap_or_default()),
            None => Origin::Value(values.next().unwrap_or_default()),
        });
        let columns: Vec<Origin> = columns.collect();
        let format = chosen(spec, value)?;
        let wanted_keys = columns.iter().any(|from| matches!(from, Origin::Key(_)));
        let key = match (key, of_key) {
            (Some(key), Some(layout)) => Some(Decodes::new(spec, &*chosen(spec, &key.options)?, layout, &key.options)?),
            _ => None,
        };
        Ok(MessageDecoding {
            wanted: declared.wanted.clone(),
            columns,
            value: Decodes::new(spec, &*format, of_value, value)?,
            key: key.filter(|_| wanted_keys),
            passes_tombstones: format.tells_changes(),
        })
    }

    /// Decodes messages of a split of that name; `beside` has the source's metadata in the declared order, a value a message.
    /// `rows` were handed on before, which is brought up to date; the split is read on at `end`.
    pub fn decode(
        &mut self,
        (source, split): (&str, &str),
        messages: &Messages,
        beside: &[ArrayRef],
        rows: &mut u64,
        end: u64,
    ) -> Decoded {
        let first = messages.numbers.first().copied().unwrap_or(end);
        let mut values = self.value.decode(&messages.numbers, |at| messages.values.get(at));
        let lacking = (0..messages.len()).filter(|&at| !messages.values.there[at]);
        if !self.passes_tombstones {
            values.faults.extend(lacking.map(|at| {
                let key = messages.keys.get(at).map(|key| format!("key {}", String::from_utf8_lossy(key)));
                fault(at, NO_VALUE.to_owned(), Reject::clip(&key.unwrap_or_default()))
            }));
        }
        let keys = self.key.as_mut().map(|key| key.decode(&messages.numbers, |at| messages.keys.get(at)));
        let (of, keys) = match keys {
            None => (values.of.clone(), None),
            Some(keys) => {
                let (kept, keyed) = self.joined(messages, &mut values, keys);
                (kept, Some(keyed))
            }
        };
        let batch = self.batch(&values, keys.as_ref(), beside, &of);
        *rows += batch.num_rows() as u64;
        values.faults.sort_by_key(|fault| fault.record);
        values.faults.dedup_by_key(|fault| fault.record);
        let rejects = values.faults.into_iter().map(|fault| Reject {
            source: source.to_owned(),
            position: format!("{split}:{}", messages.numbers[fault.record as usize]),
            reason: fault.reason,
            detail: fault.detail,
            content: fault.content,
        });
        let rejects = rejects.collect();
        let numbers = of.iter().map(|&at| messages.numbers[at as usize]).collect();
        let mut came = Came::default();
        for (at, piece) in values.came {
            came.append(messages.numbers[at] - first, piece);
        }
        let end = Position { records: end, rows: *rows, spot: Spot { at: end, within: 0 }, files: None };
        Decoded { batch, rejects, first, numbers: Some(numbers), end, came }
    }

    /// The value's rows that have a key which can be read, by their messages, and of each the row of the key.
    fn joined(&self, messages: &Messages, values: &mut Taken, keys: Taken) -> (Vec<u32>, Keyed) {
        let mut rows: Vec<Option<u32>> = vec![None; messages.len()];
        keys.of.iter().zip(0..).for_each(|(&at, row)| rows[at as usize] = Some(row));
        let mut bad = vec![false; messages.len()];
        for fault in keys.faults {
            bad[fault.record as usize] = true;
            values.faults.push(format::Fault { detail: format!("in the key: {}", fault.detail), ..fault });
        }
        let nullable = self.columns.iter().zip(self.wanted.fields());
        let nullable =
            nullable.filter(|(from, _)| matches!(from, Origin::Key(_))).all(|(_, field)| field.is_nullable());
        for (at, row) in rows.iter().enumerate() {
            if row.is_none() && !bad[at] && !nullable {
                bad[at] = true;
                let value = String::from_utf8_lossy(messages.values.get(at).unwrap_or_default()).into_owned();
                let detail = "the message has no key, and a column of the key is declared NOT NULL".to_owned();
                values.faults.push(fault(at, detail, Reject::clip(&value)));
            }
        }
        let kept: Vec<u32> = (0..).zip(&values.of).filter(|(_, at)| !bad[**at as usize]).map(|(row, _)| row).collect();
        let of: Vec<u32> = kept.iter().map(|&row| values.of[row as usize]).collect();
        let rows = of.iter().map(|&at| rows[at as usize]).collect();
        (of, Keyed { batch: keys.batch, rows, kept: UInt32Array::from(kept) })
    }

    fn batch(&self, values: &Taken, keys: Option<&Keyed>, beside: &[ArrayRef], of: &[u32]) -> RecordBatch {
        let of = UInt32Array::from(of.to_vec());
        let picked = |array: &ArrayRef, rows: &UInt32Array| match take(array.as_ref(), rows, None) {
            Ok(column) => column,
            Err(error) => unreachable!("rows of a batch are taken: {error}"),
        };
        let column = |from: &Origin| match (*from, keys) {
            (Origin::Value(at), None) => values.batch.column(at).clone(),
            (Origin::Value(at), Some(keys)) => picked(values.batch.column(at), &keys.kept),
            (Origin::Key(at), Some(keys)) => picked(keys.batch.column(at), &keys.rows),
            (Origin::Beside(at), _) => picked(&beside[at], &of),
            (Origin::Key(_), None) => unreachable!("what comes of keys is decoded"),
        };
        let columns = self.columns.iter().map(column).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(of.len()));
        match RecordBatch::try_new_with_options(self.wanted.clone(), columns, &options) {
            Ok(batch) => batch,
            Err(error) => unreachable!("every column is of its type: {error}"),
        }
    }
}

/// Keys of the rows that are kept.
struct Keyed {
    batch: RecordBatch,
    /// Per kept row the one of its key; none is NULL.
    rows: UInt32Array,
    /// The rows of the value that are kept.
    kept: UInt32Array,
}

/// What is wrong with a message.
fn fault(at: usize, detail: String, content: String) -> format::Fault {
    format::Fault { record: at as u64, reason: "malformed", detail, content }
}

/// The format that options name.
fn chosen(spec: &SourceSpec, options: &Options) -> Result<Registered<dyn Format>, SourceError> {
    spec.formats.choose(options, "message.json").map_err(|error| refuse(spec, error))
}

/// The columns of the key, by their names there.
fn key_layout(spec: &SourceSpec, key: &KeyPart) -> Result<Layout, SourceError> {
    let field = |&at: &usize| {
        let field = spec.physical.field(at);
        let name = field.name().strip_prefix(key.prefix.as_str()).unwrap_or(field.name());
        // A key that is not there is told by who has the message.
        field.clone().with_name(name)
    };
    let mut all = key.columns.clone();
    all.sort_unstable();
    let schema = Arc::new(Schema::new(all.iter().map(field).collect::<Vec<_>>()));
    let wanted: Vec<usize> = (0..all.len()).filter(|&at| spec.decode.contains(&all[at])).collect();
    let layout = Layout::new(&schema, &wanted, &key.options).map_err(|error| refuse(spec, error))?;
    Ok(Layout { notices: format::Notices::of(&spec.name), ..layout.in_zone(spec.zone) })
}
