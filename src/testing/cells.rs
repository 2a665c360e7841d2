//! Between batches and the cells of a [`Table`]: what a value is written as, and what a cell means in a column of a type.

use arrow_array::{Array, RecordBatch};
use arrow_schema::{DataType, Field, FieldRef, Fields, Schema, SchemaRef};
use highwater_core::format::{self, Decoding, JsonRows, Layout, Numbers, Part};
use highwater_core::options::Options;
use highwater_core::time::Zone;

use super::error::TestError;
use super::table::Table;

/// What is no value.
const NULL: &str = "NULL";

/// The rows of a batch as text.
pub(super) fn shown(batch: &RecordBatch) -> Table {
    let fields = batch.schema_ref().fields();
    let mut rows = vec![Vec::with_capacity(fields.len()); batch.num_rows()];
    for (field, column) in fields.iter().zip(batch.columns()) {
        let one = Fields::from(vec![FieldRef::clone(field)]);
        let columns = [column.clone()];
        let writer = JsonRows::new(&one, &columns, Numbers::Json);
        let before = serde_json::to_string(field.name()).map_or(0, |name| "{".len() + name.len() + ":".len());
        for (row, cells) in rows.iter_mut().enumerate() {
            let mut out = Vec::new();
            writer.write(row, &mut out);
            let text = String::from_utf8_lossy(&out);
            // A column of one name: `{"name":VALUE}`.
            let value = text.get(before..text.len() - 1).unwrap_or_default();
            cells.push(if column.is_null(row) { NULL.to_owned() } else { cell(field.data_type(), value) });
        }
    }
    Table { columns: fields.iter().map(|field| field.name().clone()).collect(), rows }
}

/// Text as a cell.
pub(super) fn text(text: &str) -> String {
    cell(&DataType::Utf8, &serde_json::Value::String(text.to_owned()).to_string())
}

/// A value that JSON writes so, as a cell.
fn cell(kind: &DataType, json: &str) -> String {
    let Ok(text) = serde_json::from_str::<String>(json) else { return json.to_owned() };
    if let DataType::Timestamp(_, zone) = kind {
        let text = text.replacen('T', " ", 1).replace(".000", "");
        return if zone.is_none() { text.trim_end_matches('Z').to_owned() } else { text };
    }
    let ambiguous = text.is_empty() || text == NULL || text.trim() != text || text.starts_with(['"', '[', '{']);
    if ambiguous || text.contains('|') || text.contains(char::is_control) { json.to_owned() } else { text }
}

/// What a cell means, as JSON.
fn json(kind: &DataType, cell: &str) -> String {
    let text = || serde_json::Value::String(cell.to_owned()).to_string();
    match kind {
        _ if cell == NULL => "null".to_owned(),
        _ if cell.starts_with('"') => cell.to_owned(),
        kind if kind.is_nested() => cell.to_owned(),
        kind if kind.is_numeric() || *kind == DataType::Boolean => {
            // NaN, and what is no number: its decoder says so.
            if serde_json::from_str::<serde_json::Value>(cell).is_ok() { cell.to_owned() } else { text() }
        }
        _ => text(),
    }
}

/// The columns of a schema that a table names, in its order.
pub(super) fn named(of: &str, schema: &Schema, table: &Table) -> Result<Vec<usize>, TestError> {
    let fields = schema.fields();
    let find = |name: &String| {
        let exact = fields.iter().position(|field| field.name() == name);
        let found = exact.or_else(|| fields.iter().position(|field| field.name().eq_ignore_ascii_case(name)));
        found.ok_or_else(|| {
            let known: Vec<&str> = fields.iter().map(|field| field.name().as_str()).collect();
            let what = format!("there is no column '{name}': there is {}", known.join(", "));
            TestError::Rows { of: of.to_owned(), row: 0, what }
        })
    };
    table.columns.iter().map(find).collect()
}

/// A table as rows of the columns `wanted` of a schema; others that it names are left out, those it does not name are NULL.
/// What cannot be read is among the faults of the part.
pub(super) fn part(
    of: &str,
    schema: &SchemaRef,
    wanted: &[usize],
    table: &Table,
    zone: Zone,
) -> Result<Part, TestError> {
    let columns = named(of, schema, table)?;
    let mut lines = String::new();
    for row in &table.rows {
        let pairs = columns.iter().zip(row).map(|(&column, cell)| {
            let field = schema.field(column);
            let name = serde_json::Value::String(field.name().clone());
            format!("{name}:{}", json(field.data_type(), cell))
        });
        lines += &format!("{{{}}}\n", pairs.collect::<Vec<_>>().join(","));
    }
    decode(schema, wanted, lines.as_bytes(), zone).map_err(|what| TestError::Rows { of: of.to_owned(), row: 0, what })
}

fn decode(schema: &SchemaRef, wanted: &[usize], text: &[u8], zone: Zone) -> Result<Part, String> {
    let nullable: Vec<Field> = schema.fields().iter().map(|f| f.as_ref().clone().with_nullable(true)).collect();
    let plain = Options::default();
    let layout = Layout::new(&Schema::new(nullable).into(), wanted, &plain).map_err(|error| error.to_string())?;
    let json = format::find("json").ok_or("there is no format 'json'")?;
    let Decoding::Text(decoding) = json.decoding(&layout.in_zone(zone), &plain).map_err(|error| error.to_string())?
    else {
        return Err("JSON is a text format".to_owned());
    };
    format::decode_text(decoding.as_ref(), text)
}

/// The same table in the spelling that values of these columns have, so that `1.50` and `1.5` are one.
pub(super) fn canonical(of: &str, schema: &SchemaRef, table: &Table, zone: Zone) -> Result<Table, TestError> {
    let columns = named(of, schema, table)?;
    let fields: Vec<FieldRef> = columns.iter().map(|&column| schema.fields()[column].clone()).collect();
    let own: SchemaRef = Schema::new(fields).into();
    let table = Table { columns: own.fields().iter().map(|field| field.name().clone()).collect(), ..table.clone() };
    let all: Vec<usize> = (0..own.fields().len()).collect();
    let part = part(of, &own, &all, &table, zone)?;
    match part.faults.first() {
        Some(fault) => Err(TestError::Rows { of: of.to_owned(), row: fault.record + 1, what: fault.detail.clone() }),
        None => Ok(shown(&part.batch)),
    }
}
