//! What Kafka says of messages besides their values and keys, as columns.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, BinaryArray, Int32Array, Int64Array, MapArray, NullArray, StringArray, StructArray,
    TimestampMillisecondArray,
};
use arrow_buffer::OffsetBuffer;
use arrow_schema::{DataType, FieldRef, Fields, TimeUnit};
use highwater_core::source::{SourceError, SourceSpec};
use highwater_core::type_names::sql_type;
use rdkafka::Timestamp;
use rdkafka::message::{BorrowedMessage, Headers, Message};

/// Refuses columns that cannot hold what they are to.
pub(crate) fn check(spec: &SourceSpec) -> Result<(), SourceError> {
    for (at, name) in &spec.metadata {
        let field = spec.physical.field(*at);
        let (fits, expected) = match (name.as_str(), field.data_type()) {
            ("topic" | "timestamp-type", kind) => (*kind == DataType::Utf8, "VARCHAR"),
            ("partition", kind) => (matches!(kind, DataType::Int32 | DataType::Int64), "INT"),
            ("offset", kind) => (*kind == DataType::Int64, "BIGINT"),
            ("timestamp", kind) => {
                (matches!(kind, DataType::Timestamp(TimeUnit::Millisecond, _)), "TIMESTAMP_LTZ(3) or TIMESTAMP(3)")
            }
            (_, kind) => (entries(kind).is_some(), "MAP<STRING, BYTES> or MAP<STRING, STRING>"),
        };
        if !fits {
            return Err(SourceError::Schema {
                source_name: spec.name.clone(),
                what: format!(
                    "'{name}' is {expected}, and column '{}' is {}",
                    field.name(),
                    sql_type(field.data_type())
                ),
                remedy: format!("declare it as {expected}"),
            });
        }
    }
    Ok(())
}

/// The fields of a map of text to text or bytes.
fn entries(kind: &DataType) -> Option<(&FieldRef, &Fields, bool)> {
    let DataType::Map(entries, _) = kind else { return None };
    let DataType::Struct(fields) = entries.data_type() else { return None };
    let [key, value] = fields.as_ref() else { return None };
    let bytes = match value.data_type() {
        DataType::Binary => true,
        DataType::Utf8 => false,
        _ => return None,
    };
    (*key.data_type() == DataType::Utf8).then_some((entries, fields, bytes))
}

/// Gathers for the messages of one batch what is asked for of them.
#[derive(Debug)]
pub(crate) struct Gathered {
    topic: String,
    partition: i32,
    /// The declared columns in their order: what they are, and their type.
    columns: Vec<(String, DataType)>,
    times: bool,
    headers: bool,
    offsets: Vec<i64>,
    stamps: Vec<Timestamp>,
    names: Vec<String>,
    values: Vec<Option<Vec<u8>>>,
    lengths: Vec<usize>,
}

impl Gathered {
    /// For a partition of a source.
    pub(crate) fn new(spec: &SourceSpec, topic: &str, partition: i32) -> Gathered {
        let wanted = |(at, name): &(usize, String)| match spec.decode.contains(at) {
            true => (name.clone(), spec.physical.field(*at).data_type().clone()),
            // Nobody reads it.
            false => (String::new(), DataType::Null),
        };
        let columns: Vec<(String, DataType)> = spec.metadata.iter().map(wanted).collect();
        let asked = |name: &str| columns.iter().any(|(column, _)| column.starts_with(name));
        Gathered {
            topic: topic.to_owned(),
            partition,
            times: asked("timestamp"),
            headers: asked("headers"),
            columns,
            offsets: Vec::new(),
            stamps: Vec::new(),
            names: Vec::new(),
            values: Vec::new(),
            lengths: Vec::new(),
        }
    }

    /// Takes a message in.
    pub(crate) fn push(&mut self, message: &BorrowedMessage<'_>) {
        self.offsets.push(message.offset());
        if self.times {
            self.stamps.push(message.timestamp());
        }
        if self.headers {
            let before = self.names.len();
            for header in message.headers().into_iter().flat_map(|headers| headers.iter()) {
                self.names.push(header.key.to_owned());
                self.values.push(header.value.map(<[u8]>::to_vec));
            }
            self.lengths.push(self.names.len() - before);
        }
    }

    /// The columns in their order, a value a message; begins anew.
    pub(crate) fn finish(&mut self) -> Vec<ArrayRef> {
        let made = self.columns.iter().map(|(name, kind)| self.column(name, kind)).collect();
        self.offsets.clear();
        self.stamps.clear();
        self.names.clear();
        self.values.clear();
        self.lengths.clear();
        made
    }

    fn column(&self, name: &str, kind: &DataType) -> ArrayRef {
        let many = self.offsets.len();
        match (name, kind) {
            ("topic", _) => Arc::new(StringArray::from_iter_values((0..many).map(|_| self.topic.as_str()))),
            ("partition", DataType::Int32) => Arc::new(Int32Array::from(vec![self.partition; many])),
            ("partition", _) => Arc::new(Int64Array::from(vec![i64::from(self.partition); many])),
            ("offset", _) => Arc::new(Int64Array::from(self.offsets.clone())),
            ("timestamp", DataType::Timestamp(_, zone)) => {
                let stamps = self.stamps.iter().map(|stamp| stamp.to_millis());
                Arc::new(stamps.collect::<TimestampMillisecondArray>().with_timezone_opt(zone.clone()))
            }
            ("timestamp-type", _) => {
                let word = |stamp: &Timestamp| match stamp {
                    Timestamp::NotAvailable => "NoTimestampType",
                    Timestamp::CreateTime(_) => "CreateTime",
                    Timestamp::LogAppendTime(_) => "LogAppendTime",
                };
                Arc::new(StringArray::from_iter_values(self.stamps.iter().map(word)))
            }
            ("headers", _) => self.headers(kind).unwrap_or_else(|| Arc::new(NullArray::new(many))),
            _ => Arc::new(NullArray::new(many)),
        }
    }

    /// Of several headers of one name the last, as a map has a key once.
    fn headers(&self, kind: &DataType) -> Option<ArrayRef> {
        let (entry, fields, bytes) = entries(kind)?;
        let (mut kept, mut lengths, mut from) = (Vec::new(), Vec::new(), 0);
        for &length in &self.lengths {
            let before = kept.len();
            let of = from..from + length;
            let last = |at: &usize| !self.names[at + 1..of.end].contains(&self.names[*at]);
            kept.extend(of.clone().filter(last));
            lengths.push(kept.len() - before);
            from += length;
        }
        let names: ArrayRef = Arc::new(StringArray::from_iter_values(kept.iter().map(|&at| self.names[at].as_str())));
        let values = kept.iter().map(|&at| self.values[at].as_deref());
        let values: ArrayRef = match bytes {
            true => Arc::new(values.collect::<BinaryArray>()),
            false => Arc::new(values.map(|value| value.map(String::from_utf8_lossy)).collect::<StringArray>()),
        };
        let pairs = StructArray::try_new(fields.clone(), vec![names, values], None).ok()?;
        let DataType::Map(_, sorted) = kind else { return None };
        let offsets = OffsetBuffer::from_lengths(lengths);
        Some(Arc::new(MapArray::try_new(FieldRef::clone(entry), offsets, pairs, None, *sorted).ok()?))
    }
}
