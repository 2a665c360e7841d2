//! `'format' = 'logfmt'`: a line is a row, `level=info took=12 msg="all is well"`. Columns are found by name; what is no column is passed
//! over. `null` without quotes is NULL.

use highwater::arrow_array::RecordBatch;
use highwater::arrow_schema::SchemaRef;
use highwater::extend::{Decoding, Encoder, Format, FormatError, Layout, OptionSpec, Options, decode_lines, texts};

/// The format.
#[derive(Debug)]
pub struct Logfmt;

impl Format for Logfmt {
    fn name(&self) -> &str {
        "logfmt"
    }

    fn help(&self) -> &str {
        "lines of name=value"
    }

    fn extensions(&self) -> &[&str] {
        &["logfmt"]
    }

    fn options(&self) -> &'static [OptionSpec] {
        &[]
    }

    fn decoding(&self, layout: &Layout, _: &Options) -> Result<Decoding, FormatError> {
        decode_lines(self.name(), layout, pairs)
    }

    fn encoder(&self, _: &SchemaRef, _: &Options) -> Result<Box<dyn Encoder>, FormatError> {
        Ok(Box::new(LineWriter))
    }
}

/// Takes a line apart.
fn pairs(line: &str, pair: &mut dyn FnMut(&str, &str)) -> Result<(), String> {
    let mut rest = line.trim_start();
    while !rest.is_empty() {
        let Some((name, behind)) = rest.split_once('=').filter(|(name, _)| !name.is_empty() && !name.contains(' '))
        else {
            return Err(format!("expected name=value, found '{rest}'"));
        };
        rest = match behind.strip_prefix('"') {
            Some(quoted) => {
                let (value, rest) = unquoted(quoted).ok_or_else(|| format!("the quote of '{name}' is not closed"))?;
                pair(name, &value);
                rest
            }
            None => {
                let (value, rest) = behind.split_once(' ').unwrap_or((behind, ""));
                if value != "null" {
                    pair(name, value);
                }
                rest
            }
        }
        .trim_start();
    }
    Ok(())
}

/// The text up to the quote that closes it, and what is behind that.
fn unquoted(quoted: &str) -> Option<(String, &str)> {
    let (mut value, mut chars) = (String::new(), quoted.char_indices());
    loop {
        match chars.next()? {
            (at, '"') => return Some((value, &quoted[at + 1..])),
            (_, '\\') => match chars.next()?.1 {
                'n' => value.push('\n'),
                'r' => value.push('\r'),
                other => value.push(other),
            },
            (_, other) => value.push(other),
        }
    }
}

struct LineWriter;

impl Encoder for LineWriter {
    fn encode(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<(), FormatError> {
        let schema = batch.schema();
        let columns: Vec<Vec<Option<String>>> = batch.columns().iter().map(texts).collect();
        for row in 0..batch.num_rows() {
            for (at, (field, texts)) in schema.fields().iter().zip(&columns).enumerate() {
                if at > 0 {
                    out.push(b' ');
                }
                out.extend_from_slice(field.name().as_bytes());
                out.push(b'=');
                out.extend_from_slice(texts[row].as_deref().map_or("null".into(), quoted).as_bytes());
            }
            out.push(b'\n');
        }
        Ok(())
    }
}

/// A value, in quotes where it would be read as something else without them.
fn quoted(text: &str) -> String {
    if !text.is_empty() && text != "null" && !text.contains([' ', '"', '\\', '\n', '\r']) {
        return text.to_owned();
    }
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n").replace('\r', "\\r");
    format!("\"{escaped}\"")
}
