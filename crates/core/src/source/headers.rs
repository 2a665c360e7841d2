//! Headers of requests as columns: `METADATA FROM 'headers'` is all of them, `'headers.x-request-id'` the one of that name. Of a
//! WebSocket they are those of its handshake.
//!
//! Invariant: what says who somebody is (a token, a cookie) is in no column.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::{ArrayRef, MapArray, StringArray, StructArray, new_null_array};
use arrow_buffer::OffsetBuffer;
use arrow_schema::{DataType, FieldRef};

use super::{Beside, MetadataColumn, SourceError, SourceSpec};
use crate::format::{self, Layout};
use crate::time::Zone;
use crate::type_names::sql_type;

/// What a source can be asked for besides its rows.
pub(super) const METADATA: &[MetadataColumn] = &[
    MetadataColumn { name: "headers", help: "all headers of the request, names in lower case: MAP<STRING, STRING>" },
    MetadataColumn { name: "headers.*", help: "the header of that name, as 'headers.x-request-id'; NULL without it" },
];

/// Headers that are handed on to nobody.
const SECRET: [&str; 5] = ["authorization", "cookie", "proxy-authorization", "set-cookie", "sec-websocket-key"];

/// The columns of a source that headers fill.
#[derive(Debug)]
pub(super) struct Headers {
    layout: Layout,
    zone: Zone,
    /// The wanted columns, by their places there: one header, or all.
    columns: Vec<(usize, Option<String>)>,
}

impl Headers {
    /// Those of a source, of whose columns this is the layout.
    pub(super) fn of(spec: &SourceSpec, layout: &Layout) -> Result<Headers, SourceError> {
        let mut columns = Vec::new();
        for (physical, key) in &spec.metadata {
            let field = spec.physical.field(*physical);
            let refuse = |what: String, remedy: &str| {
                let (source_name, remedy) = (spec.name.clone(), remedy.to_owned());
                Err(SourceError::Schema { source_name, what, remedy })
            };
            let name = key.strip_prefix("headers.").map(str::to_ascii_lowercase);
            let kind = sql_type(field.data_type());
            match &name {
                Some(name) if SECRET.contains(&name.as_str()) => {
                    let what = format!("the header '{name}' says who somebody is, and is in no column");
                    return refuse(what, "let the client send what the rows need in a header of its own");
                }
                Some(_) if field.data_type().is_nested() => {
                    let what = format!("a header is one value, and column '{}' is {kind}", field.name());
                    return refuse(what, "declare it as VARCHAR");
                }
                None if kind != "MAP<VARCHAR, VARCHAR>" => {
                    let what =
                        format!("all headers are a MAP<STRING, STRING>, and column '{}' is {kind}", field.name());
                    return refuse(what, "declare it so, or take one: METADATA FROM 'headers.x-request-id'");
                }
                _ => {}
            }
            if let Ok(at) = layout.decode.binary_search(physical) {
                columns.push((at, name));
            }
        }
        Ok(Headers { layout: layout.clone(), zone: spec.zone, columns })
    }

    /// What these headers say, beside the rows that come with them; `Err` says which is no value of its column.
    pub(super) fn beside<'a>(&self, headers: impl Iterator<Item = (&'a str, Cow<'a, str>)>) -> Result<Beside, String> {
        let mut told = vec![None; self.layout.wanted.fields().len()];
        if !self.columns.is_empty() {
            let mut all: BTreeMap<&str, String> = BTreeMap::new();
            for (name, value) in headers.filter(|(name, _)| !SECRET.contains(name)) {
                // Several of a name are one with a list.
                let values = all.entry(name).or_default();
                *values = if values.is_empty() { value.into_owned() } else { format!("{values}, {value}") };
            }
            for (at, name) in &self.columns {
                let field = self.layout.wanted.field(*at);
                told[*at] = Some(match name {
                    None => every(&all, field.data_type()).ok_or("the headers are too long")?,
                    Some(name) => self.one(name, all.get(name.as_str()).map(String::as_str), field)?,
                });
            }
        }
        Ok(Beside::new(&self.layout.wanted, told))
    }

    fn one(&self, name: &str, value: Option<&str>, field: &arrow_schema::Field) -> Result<ArrayRef, String> {
        let kind = field.data_type();
        match value {
            None if !field.is_nullable() => {
                Err(format!("there is no header '{name}', and column '{}' is declared NOT NULL", field.name()))
            }
            None => Ok(new_null_array(kind, 1)),
            Some(value) => format::read_value(value, kind, self.zone)
                .ok_or_else(|| format!("the header '{name}' is '{value}', which is no {}", sql_type(kind))),
        }
    }
}

/// All headers as a map.
fn every(headers: &BTreeMap<&str, String>, kind: &DataType) -> Option<ArrayRef> {
    let DataType::Map(entries, sorted) = kind else { return None };
    let DataType::Struct(fields) = entries.data_type() else { return None };
    let (keys, values): (Vec<&str>, Vec<&str>) = headers.iter().map(|(name, value)| (*name, value.as_str())).unzip();
    let pairs: Vec<ArrayRef> = vec![Arc::new(StringArray::from(keys)), Arc::new(StringArray::from(values))];
    let pairs = StructArray::try_new(fields.clone(), pairs, None).ok()?;
    let offsets = OffsetBuffer::from_lengths([headers.len()]);
    Some(Arc::new(MapArray::try_new(FieldRef::clone(entries), offsets, pairs, None, *sorted).ok()?))
}
