//! Values as Debezium writes them where JSON has no such type: dates as days, times as numbers of a unit, DECIMALs as the bytes of
//! a whole number. The schema beside a payload says which; without one the declared type does, with an option where it cannot.
//!
//! Invariant: what could mean two things is refused with what would say which.

use arrow_schema::DataType;
use serde_json::Value;

use super::super::cursor::Cursor;
use super::super::envelope::members;
use crate::format::cells::from_base64;
use crate::format::decimal::decimal;
use crate::format::{FormatError, Layout};
use crate::options::{OptionSpec, Options};

/// What envelopes without a schema do not say.
pub(super) const OPTIONS: &[OptionSpec] = &[
    OptionSpec {
        name: "debezium-json.time",
        help: "the unit of times of a day written as numbers, where no schema says it: ms, us, ns",
    },
    OptionSpec {
        name: "debezium-json.decimal",
        help: "how text in a DECIMAL is read where no schema says it: text (default), or base64, as \
               decimal.handling.mode=precise writes it, with the scale of the column",
    },
];

/// How many ms a unit is, as a power of ten.
const UNITS: &[(&str, i32)] = &[("ms", 0), ("us", -3), ("ns", -6)];

const DECIMALS: &[(&str, bool)] = &[("text", false), ("base64", true)];

/// The types whose values are written otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Declared {
    Date,
    Time,
    Timestamp,
    Decimal { scale: i8 },
    Number,
}

/// What a schema says of a column; units as powers of ten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
    Days,
    Time(i32),
    Timestamp(i32),
    Unscaled { scale: i32 },
}

impl Meaning {
    /// By the names of Debezium and of Kafka Connect.
    fn of(field: &Value) -> Option<Meaning> {
        let name = field.get("name")?.as_str()?;
        Some(match name.strip_prefix("io.debezium.time.").or(name.strip_prefix("org.apache.kafka.connect.data."))? {
            "Date" => Meaning::Days,
            "Time" => Meaning::Time(0),
            "MicroTime" => Meaning::Time(-3),
            "NanoTime" => Meaning::Time(-6),
            "Timestamp" => Meaning::Timestamp(0),
            "MicroTimestamp" => Meaning::Timestamp(-3),
            "NanoTimestamp" => Meaning::Timestamp(-6),
            "Decimal" => Meaning::Unscaled { scale: field.get("parameters")?.get("scale")?.as_str()?.parse().ok()? },
            _ => return None,
        })
    }
}

/// The schema that was read last: envelopes of a table have the same.
#[derive(Default)]
pub(super) struct Schema {
    text: Vec<u8>,
    /// By column.
    meanings: Vec<Option<Meaning>>,
}

/// The columns whose values are written otherwise, and how where no schema says it.
#[derive(Debug)]
pub(super) struct Values {
    columns: Vec<(String, Declared)>,
    /// The power of ten of numbers in TIMESTAMPs.
    unit: i32,
    time: Option<i32>,
    base64: bool,
}

impl Values {
    pub(super) fn of(layout: &Layout, options: &Options) -> Result<Values, FormatError> {
        let declared = |kind: &DataType| match kind {
            DataType::Date32 => Some(Declared::Date),
            DataType::Time32(_) => Some(Declared::Time),
            DataType::Timestamp(..) => Some(Declared::Timestamp),
            DataType::Decimal128(_, scale) => Some(Declared::Decimal { scale: *scale }),
            kind if kind.is_numeric() => Some(Declared::Number),
            _ => None,
        };
        let fields = layout.wanted.fields().iter();
        Ok(Values {
            columns: fields.filter_map(|field| Some((field.name().clone(), declared(field.data_type())?))).collect(),
            unit: layout.times.unit.power(),
            time: options.one_of("debezium-json.time", UNITS)?,
            base64: options.one_of("debezium-json.decimal", DECIMALS)?.unwrap_or_default(),
        })
    }

    /// Whether all values pass as they are.
    pub(super) fn pass(&self) -> bool {
        self.columns.is_empty()
    }

    /// Reads what the schema of an envelope says of its rows, if it is another one than before.
    pub(super) fn read_schema(&self, text: Option<&[u8]>, schema: &mut Schema) {
        let text = text.filter(|_| !self.pass()).unwrap_or_default();
        if schema.text == text {
            return;
        }
        schema.text = text.to_vec();
        schema.meanings.clear();
        // What is no schema says nothing.
        let Ok(told) = serde_json::from_slice::<Value>(text) else { return };
        let fields = |of: &Value| of.get("fields").and_then(Value::as_array).cloned().unwrap_or_default();
        let named = |field: &Value, name: &str| field.get("field").and_then(Value::as_str) == Some(name);
        let envelope = fields(&told);
        let row = envelope.iter().find(|field| named(field, "after") || named(field, "before")).map(fields);
        let row = row.unwrap_or_default();
        let meaning =
            |(name, _): &(String, Declared)| row.iter().find(|field| named(field, name)).and_then(Meaning::of);
        schema.meanings = self.columns.iter().map(meaning).collect();
    }

    /// Appends the members of a row as JSON is read. Of one that `goes` by its key what cannot be read may stay as it is.
    pub(super) fn write(
        &self,
        row: &[u8],
        schema: &Schema,
        goes: bool,
        max_depth: u32,
        out: &mut Vec<u8>,
    ) -> Result<(), String> {
        let mut cursor = Cursor { bytes: row, at: 0, newlines: true, start: 0, depth: 0, max_depth };
        let (mut wrong, first) = (None, out.len());
        let read = members(&mut cursor, |key, value| {
            if out.len() > first {
                out.push(b',');
            }
            out.push(b'"');
            out.extend_from_slice(key);
            out.extend_from_slice(b"\":");
            let column = self.columns.iter().position(|(name, _)| name.as_bytes() == key);
            let meaning = column.and_then(|column| schema.meanings.get(column).copied().flatten());
            let written = column.map_or(Ok(None), |column| self.value(self.columns[column].1, meaning, value));
            match (written, column) {
                (Ok(Some(text)), _) => out.extend_from_slice(text.as_bytes()),
                (Err(what), Some(column)) if !goes => {
                    wrong.get_or_insert_with(|| format!("column '{}': {what}", self.columns[column].0));
                }
                _ => out.extend_from_slice(value),
            }
        });
        read.map_err(|problem| problem.what)?;
        wrong.map_or(Ok(()), Err)
    }

    /// A value as JSON is read, if it is written otherwise.
    fn value(&self, declared: Declared, meaning: Option<Meaning>, value: &[u8]) -> Result<Option<String>, String> {
        let text = std::str::from_utf8(value).unwrap_or_default();
        let inside = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
        match (declared, meaning, value.first()) {
            (Declared::Decimal { .. } | Declared::Number, Some(Meaning::Unscaled { scale }), Some(b'"')) => {
                unscaled(inside.unwrap_or_default(), scale).map(Some)
            }
            (Declared::Decimal { .. } | Declared::Number, _, Some(b'{')) => variable(text).map(Some),
            (Declared::Decimal { scale }, _, Some(b'"')) if self.base64 => {
                unscaled(inside.unwrap_or_default(), scale.into()).map(Some)
            }
            (Declared::Decimal { scale }, _, Some(b'"')) => match inside {
                Some(inside) if decimal(inside.trim().as_bytes(), 38, scale).is_none() && bytes(inside).is_ok() => {
                    Err(format!(
                        "{text} is no number: if it is one as decimal.handling.mode=precise writes it, keep the schema beside the payload, \
                         or write 'debezium-json.decimal' = 'base64'; decimal.handling.mode=string writes text"
                    ))
                }
                _ => Ok(None),
            },
            (_, _, Some(b'-' | b'0'..=b'9')) => self.number(declared, meaning, text),
            _ => Ok(None),
        }
    }

    /// A number that says a time.
    fn number(&self, declared: Declared, meaning: Option<Meaning>, text: &str) -> Result<Option<String>, String> {
        match (declared, meaning) {
            (Declared::Decimal { .. } | Declared::Number, _) | (Declared::Date, None | Some(Meaning::Days)) => Ok(None),
            (Declared::Timestamp, None) => Ok(None),
            (Declared::Timestamp, Some(Meaning::Timestamp(power))) => Ok(Some(format!("{text}e{}", power - self.unit))),
            (Declared::Timestamp, Some(Meaning::Days)) => match text.parse::<i32>() {
                Ok(days) => Ok(Some(format!("{}e{}", i64::from(days) * 864, 5 - self.unit))),
                Err(_) => Err(format!("{text} is no number of days")),
            },
            (Declared::Time, None) if self.time.is_none() => Err(format!(
                "whether {text} is a number of ms, us or ns is not said: keep the schema beside the payload, or write 'debezium-json.time' = 'us' \
                 (MySQL; PostgreSQL writes ms for TIME(3) and less, else us)"
            )),
            (Declared::Time, None) => clock(text, self.time.unwrap_or_default()).map(Some),
            (Declared::Time, Some(Meaning::Time(power))) => clock(text, power).map(Some),
            (_, Some(Meaning::Timestamp(_))) => {
                Err(format!("the schema says that {text} is a time: declare TIMESTAMP(3)"))
            }
            (_, Some(Meaning::Time(_))) => {
                Err(format!("the schema says that {text} is a time of day: declare TIME(3)"))
            }
            (_, Some(Meaning::Days)) => Err(format!("the schema says that {text} is a date: declare DATE")),
            (_, Some(Meaning::Unscaled { .. })) => {
                Err(format!("the schema says that {text} is a DECIMAL: declare it so"))
            }
        }
    }
}

/// A time of day as text, of a number of a unit.
fn clock(text: &str, power: i32) -> Result<String, String> {
    let number = text.parse::<i64>().map_err(|_| format!("{text} is no whole number"))?;
    let ms = number.div_euclid(10_i64.pow(power.unsigned_abs()));
    if !(0..86_400_000).contains(&ms) {
        return Err(format!("{text} is no time of a day, which is before 24:00:00: declare BIGINT for longer ones"));
    }
    let (seconds, ms) = (ms / 1000, ms % 1000);
    Ok(format!("\"{:02}:{:02}:{:02}.{ms:03}\"", seconds / 3600, seconds / 60 % 60, seconds % 60))
}

fn bytes(text: &str) -> Result<i128, String> {
    let bytes = from_base64(text.as_bytes()).ok_or_else(|| format!("\"{text}\" is not Base64"))?;
    let sign = if bytes.first().is_some_and(|first| *first >= 0x80) { 0xff } else { 0 };
    let more = bytes.len().saturating_sub(16);
    if bytes[..more].iter().any(|byte| *byte != sign)
        || bytes.get(more).is_some_and(|byte| more > 0 && (byte ^ sign) >= 0x80)
    {
        return Err(format!("\"{text}\" is a number of more than 38 digits"));
    }
    Ok(bytes[more..].iter().fold(if sign == 0 { 0 } else { -1 }, |number, byte| number << 8 | i128::from(*byte)))
}

/// A whole number as its bytes, of which so many digits stand behind the point.
fn unscaled(text: &str, scale: i32) -> Result<String, String> {
    Ok(format!("{}e{}", bytes(text)?, -i64::from(scale)))
}

/// A number that brings its own scale: `io.debezium.data.VariableScaleDecimal`.
fn variable(text: &str) -> Result<String, String> {
    let told = serde_json::from_str::<Value>(text).ok();
    let part = |name: &str| told.as_ref().and_then(|told| told.get(name));
    let (scale, value) = (part("scale").and_then(Value::as_i64), part("value").and_then(Value::as_str));
    match (scale.and_then(|scale| i32::try_from(scale).ok()), value) {
        (Some(scale), Some(value)) => unscaled(value, scale),
        _ => Err("an object is a number where it has 'scale' and 'value'".to_owned()),
    }
}
