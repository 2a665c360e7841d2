//! The JSON decoder: one pass over the text, values straight into columns.
//!
//! Keys of one input mostly come in one order, so each key is first compared with the one that stood at its place in the
//! object before; only if it differs is it looked up. A bad record is taken back and becomes a fault.

use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_schema::{DataType, Fields};
use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::super::cells::{Cells, Values, float, pair};
use super::super::decimal::decimal;
use super::super::{Came, Decoder, Fault, Layout, Part, batch, clip, oversized, too_long};
use super::Shape;
use super::cursor::{Bad, Cursor, Problem, element_end, gap};
use super::entries::entries;
use super::first;

/// How many places of an object are remembered.
const REMEMBERED: usize = 1 << 16;

/// From how many columns on their names are hashed.
const MANY: usize = 16;

/// What is known of a column's objects, beside its cells.
enum Known {
    Leaf,
    Row(Object),
    List(Box<Known>),
    /// Of a map's values.
    Map(Box<Known>),
}

impl Known {
    fn of(kind: &DataType) -> Known {
        match kind {
            DataType::Struct(fields) => Known::Row(Object::new(fields)),
            DataType::List(item) => Known::List(Box::new(Known::of(item.data_type()))),
            DataType::Map(entries, _) => {
                let value = pair(entries).map_or(Known::Leaf, |(_, value)| Known::of(value.data_type()));
                Known::Map(Box::new(value))
            }
            _ => Known::Leaf,
        }
    }
}

/// The keys of an object.
struct Object {
    fields: Fields,
    known: Vec<Known>,
    places: Vec<Place>,
    /// The column of each name, if there are many.
    columns: HashMap<Box<[u8]>, usize, FixedState>,
}

/// The key that last stood at a place: from its opening quote to the colon, and the column it means.
#[derive(Default)]
struct Place {
    raw: Vec<u8>,
    /// The first 16 bytes of `raw` and which of them there are: most keys are compared in one step.
    head: u128,
    mask: u128,
    column: Option<usize>,
}

impl Place {
    fn remember(&mut self, raw: &[u8], column: Option<usize>) {
        self.raw.clear();
        self.raw.extend_from_slice(raw);
        self.column = column;
        let mut head = [0; 16];
        let length = raw.len().min(16);
        head[..length].copy_from_slice(&raw[..length]);
        self.head = u128::from_le_bytes(head);
        self.mask = u128::MAX >> (128 - 8 * length);
    }

    #[inline(always)]
    fn stands_at(&self, text: &[u8]) -> bool {
        match text.first_chunk::<16>() {
            Some(chunk) if self.raw.len() <= 16 => u128::from_le_bytes(*chunk) & self.mask == self.head,
            _ => text.starts_with(&self.raw),
        }
    }
}

impl Object {
    fn new(fields: &Fields) -> Object {
        let known = fields.iter().map(|field| Known::of(field.data_type())).collect();
        let many = if fields.len() < MANY { 0 } else { fields.len() };
        // Of a name that is there twice the first counts.
        let names = fields.iter().enumerate().take(many).rev();
        let columns = names.map(|(at, field)| (field.name().as_bytes().into(), at)).collect();
        Object { fields: fields.clone(), known, places: Vec::new(), columns }
    }

    /// The column of that name.
    fn column(&self, name: &[u8]) -> Option<usize> {
        match self.columns.is_empty() {
            true => self.fields.iter().position(|field| field.name().as_bytes() == name),
            false => self.columns.get(name).copied(),
        }
    }
}

/// A decoder with its columns.
pub(super) struct JsonDecoder {
    layout: Arc<Layout>,
    shape: Shape,
    object: Object,
    cells: Vec<Cells>,
    /// The columns that have an end: those with text or lists.
    bounded: Vec<usize>,
    scratch: Vec<u8>,
    /// Whether an object was looked at for names that are written otherwise.
    looked: bool,
}

impl JsonDecoder {
    /// A decoder of a layout whose types were checked.
    pub(super) fn new(layout: Arc<Layout>, shape: Shape) -> JsonDecoder {
        let object = Object::new(layout.wanted.fields());
        let cells =
            layout.wanted.fields().iter().filter_map(|field| Cells::new(field.data_type(), &layout.times)).collect();
        let bounded = layout.wanted.fields().iter().enumerate().filter(|(_, field)| !field.data_type().is_primitive());
        let bounded = bounded.map(|(column, _)| column).collect();
        JsonDecoder { layout, shape, object, cells, bounded, scratch: Vec::new(), looked: false }
    }

    /// Decodes the record at the cursor; true if it is whole, else the reason and what is wrong.
    fn record(&mut self, cursor: &mut Cursor<'_>, row: usize, checked: bool) -> Result<(), (&'static str, String)> {
        let malformed = |detail: String| ("malformed", detail);
        if !checked {
            let end = self.end(cursor);
            if let Err(error) = std::str::from_utf8(&cursor.bytes[cursor.at..end]) {
                let at = error.valid_up_to() + 1;
                return Err(malformed(format!(
                    "not UTF-8 from byte {at} on; write it so, as by iconv -f ISO-8859-1 -t UTF-8, or send its charset"
                )));
            }
        }
        let problem = |bad: Bad| {
            let Problem { what, mut path } = *bad;
            path.reverse();
            malformed(if path.is_empty() { what } else { format!("column '{}': {what}", path.join(".")) })
        };
        if cursor.peek() != b'{' {
            // Files that were put together have a mark each.
            if cursor.bytes[cursor.at..].starts_with(b"\xEF\xBB\xBF") {
                cursor.at += 3;
            }
            if cursor.peek() != b'{' {
                return cursor.bad("an object").map_err(problem);
            }
        }
        object(cursor, &mut self.object, &mut self.cells, row, &mut self.scratch).map_err(problem)?;
        cursor.space();
        if self.shape == Shape::Lines && cursor.peek() != b'\n' {
            return cursor.bad("the end of the line").map_err(problem);
        }
        if !std::mem::replace(&mut self.looked, true) {
            first::look(&cursor.bytes[cursor.start..cursor.at], cursor.newlines, &self.layout);
        }
        let length = cursor.at - cursor.start;
        if length > self.layout.max_row_bytes {
            return Err(("oversized", too_long(self.layout.max_row_bytes)));
        }
        if !self.bounded.iter().all(|column| self.cells[*column].fits(length)) {
            return Err(("oversized", "the text of one batch is over 2 GiB; give shorter chunks".to_owned()));
        }
        Ok(())
    }

    /// The end of the record that begins at the cursor: its newline, or behind its last byte.
    fn end(&self, cursor: &Cursor<'_>) -> usize {
        let length = cursor.bytes.len();
        match self.shape {
            Shape::Lines => memchr::memchr(b'\n', &cursor.bytes[cursor.at..]).map_or(length, |end| cursor.at + end),
            Shape::Elements { .. } => element_end(cursor.bytes, cursor.start).unwrap_or(length),
        }
    }
}

impl Decoder for JsonDecoder {
    fn decode(&mut self, chunk: &[u8]) -> Part {
        self.decode_some(chunk, usize::MAX, std::str::from_utf8(chunk).is_ok()).0
    }

    fn decode_some(&mut self, chunk: &[u8], enough: usize, checked: bool) -> (Part, usize) {
        let newlines = self.shape != Shape::Lines;
        let mut cursor = Cursor { bytes: chunk, at: 0, newlines, start: 0, depth: 0, max_depth: self.layout.max_depth };
        let (mut rows, mut records) = (0_usize, 0_u64);
        let mut numbers: Option<Vec<u64>> = None;
        let mut faults = Vec::new();
        loop {
            if cursor.at >= enough {
                break;
            }
            match self.shape {
                Shape::Elements { .. } => {
                    let gap = gap(chunk, cursor.at);
                    if let Some(wrong) = gap.wrong {
                        numbers.get_or_insert_with(|| (0..rows as u64).collect());
                        let content = clip(chunk[cursor.at..gap.end].trim_ascii());
                        faults.push(Fault { record: records, reason: "malformed", detail: wrong.to_owned(), content });
                        records += 1;
                    }
                    cursor.at = gap.end;
                }
                Shape::Lines => cursor.space(),
            }
            if cursor.at >= chunk.len() {
                break;
            }
            cursor.start = cursor.at;
            cursor.depth = 0;
            if cursor.peek() == b'\n' {
                // A blank line: nothing, but it counts.
                numbers.get_or_insert_with(|| (0..rows as u64).collect());
            } else if let Err((reason, detail)) = self.record(&mut cursor, rows, checked) {
                numbers.get_or_insert_with(|| (0..rows as u64).collect());
                self.cells.iter_mut().for_each(|cells| cells.truncate(rows));
                cursor.at = if newlines { cursor.start } else { cursor.at };
                let end = self.end(&cursor);
                let text = chunk[cursor.start..end].trim_ascii_end();
                faults.push(match text.len() > self.layout.max_row_bytes {
                    true => oversized(records, text, self.layout.max_row_bytes),
                    false => Fault { record: records, reason, detail, content: clip(text) },
                });
                cursor.at = end;
            } else {
                if let Some(numbers) = &mut numbers {
                    numbers.push(records);
                }
                rows += 1;
            }
            records += 1;
            cursor.at += usize::from(!newlines);
        }
        let finish = |cells: &mut Cells| -> ArrayRef {
            match cells.finish() {
                Some(column) => column,
                None => unreachable!("the text of every accepted record was checked to be UTF-8"),
            }
        };
        let columns = self.cells.iter_mut().map(finish).collect();
        let batch = match batch(&self.layout.wanted, columns, rows) {
            Ok(batch) => batch,
            Err(error) => unreachable!("cells are made by the schema, NULLs refused where it says: {error}"),
        };
        (Part { batch, numbers, records, faults, came: Came::default() }, cursor.at.min(chunk.len()))
    }
}

/// Decodes the object whose bracket is at the cursor into row `row` of its columns.
fn object(
    cursor: &mut Cursor<'_>,
    keys: &mut Object,
    cells: &mut [Cells],
    row: usize,
    scratch: &mut Vec<u8>,
) -> Result<(), Bad> {
    cursor.open()?;
    cursor.space();
    let mut given = 0;
    if cursor.peek() == b'}' {
        cursor.close();
    } else {
        let mut place = 0;
        loop {
            match key(cursor, keys, place, scratch)? {
                None => {
                    cursor.space();
                    cursor.skip()?;
                }
                Some(column) => {
                    cursor.space();
                    let values = &mut cells[column];
                    if values.len() > row {
                        values.truncate(row);
                    } else {
                        given += 1;
                    }
                    let field = &keys.fields[column];
                    value(cursor, &mut keys.known[column], values, scratch, field.is_nullable()).map_err(
                        |mut bad| {
                            bad.path.push(field.name().clone());
                            bad
                        },
                    )?;
                }
            }
            if cursor.closes(b'}', "',' or '}'")? {
                break;
            }
            place += 1;
        }
    }
    if given < cells.len() {
        for (cells, field) in cells.iter_mut().zip(&keys.fields) {
            if cells.len() == row {
                if !field.is_nullable() {
                    let what = "is missing, and declared NOT NULL".to_owned();
                    return Err(Box::new(Problem { what, path: vec![field.name().clone()] }));
                }
                cells.push_null();
            }
        }
    }
    Ok(())
}

/// Passes a key and its colon; the column it means.
#[inline(always)]
fn key(cursor: &mut Cursor<'_>, keys: &mut Object, place: usize, scratch: &mut Vec<u8>) -> Result<Option<usize>, Bad> {
    if let Some(known) = keys.places.get(place) {
        let rest = &cursor.bytes[cursor.at..];
        if !known.raw.is_empty() && known.stands_at(rest) {
            cursor.at += known.raw.len();
            return Ok(known.column);
        }
    }
    other_key(cursor, keys, place, scratch)
}

/// Looks a key up and remembers it.
fn other_key(
    cursor: &mut Cursor<'_>,
    keys: &mut Object,
    place: usize,
    scratch: &mut Vec<u8>,
) -> Result<Option<usize>, Bad> {
    let start = cursor.at;
    let (mut name, escaped) = cursor.string()?;
    if escaped {
        scratch.clear();
        cursor.unescape(name, scratch)?;
        name = scratch;
    }
    let column = keys.column(name);
    cursor.space();
    cursor.expect(b':', "':'")?;
    if place < REMEMBERED {
        if place >= keys.places.len() {
            keys.places.resize_with(place + 1, Place::default);
        }
        keys.places[place].remember(&cursor.bytes[start..cursor.at], column);
    }
    Ok(column)
}

/// Decodes the value at the cursor as the next of a column.
#[inline]
fn value(
    cursor: &mut Cursor<'_>,
    known: &mut Known,
    cells: &mut Cells,
    scratch: &mut Vec<u8>,
    nullable: bool,
) -> Result<(), Bad> {
    let start = cursor.at;
    let first = cursor.peek();
    let row = cells.len();
    let wrong = |cursor: &mut Cursor<'_>, cells: &Cells| {
        cursor.at = start;
        cursor.bad(&cells.expects())
    };
    match first {
        b'n' => {
            cursor.literal("null")?;
            if !nullable {
                cursor.at = start;
                return cursor.bad("a value, since it is declared NOT NULL");
            }
            cells.push_null();
            return Ok(());
        }
        b'"' => {
            let (text, escaped) = cursor.string()?;
            if let Values::Text { bytes, offsets } = &mut cells.values {
                if escaped {
                    cursor.unescape(text, bytes)?;
                } else {
                    bytes.extend_from_slice(text);
                }
                offsets.push(bytes.len() as i32);
            } else {
                let text = if escaped {
                    scratch.clear();
                    cursor.unescape(text, scratch)?;
                    scratch.as_slice()
                } else {
                    text
                };
                return if cells.push_text(text) { Ok(()) } else { wrong(cursor, cells) };
            }
        }
        _ => match (&mut cells.values, known) {
            (Values::Int { values, min, max, .. }, _) => {
                match cursor.number().ok().and_then(|(number, _)| number.to_i64()) {
                    Some(value) if (*min..=*max).contains(&value) => values.push(value),
                    _ => return wrong(cursor, cells),
                }
            }
            (Values::Float { values, single }, _) => {
                match cursor.number().ok().and_then(|(number, text)| float(number, text, *single)) {
                    Some(value) => values.push(value),
                    None => return wrong(cursor, cells),
                }
            }
            (Values::Time { values, times, .. }, _) => {
                match cursor.number().ok().and_then(|(number, _)| times.unit.to_ms(number)) {
                    Some(ms) => values.push(ms),
                    None => return wrong(cursor, cells),
                }
            }
            (Values::Date { values, times }, _) if times.days => {
                let days = cursor.number().ok().and_then(|(number, _)| number.to_i64());
                match days.and_then(|days| i32::try_from(days).ok()) {
                    Some(days) => values.push(days),
                    None => return wrong(cursor, cells),
                }
            }
            (Values::Decimal { values, precision, scale }, _) => {
                match cursor.number().ok().and_then(|(_, text)| decimal(text, *precision, *scale)) {
                    Some(value) => values.push(value),
                    None => return wrong(cursor, cells),
                }
            }
            (Values::Bool(values), _) => match first {
                b't' => {
                    cursor.literal("true")?;
                    values.append(true);
                }
                b'f' => {
                    cursor.literal("false")?;
                    values.append(false);
                }
                _ => match cursor.number().ok().and_then(|(number, _)| number.to_i64()) {
                    Some(number @ 0..=1) => values.append(number == 1),
                    _ => return wrong(cursor, cells),
                },
            },
            (Values::Text { bytes, offsets }, _) => {
                cursor.skip()?;
                bytes.extend_from_slice(&cursor.bytes[start..cursor.at]);
                offsets.push(bytes.len() as i32);
            }
            (Values::Row { cells: members, .. }, Known::Row(keys)) if first == b'{' => {
                object(cursor, keys, members, row, scratch)?;
            }
            (Values::List { cells: items, offsets, item }, Known::List(known)) if first == b'[' => {
                let nullable = item.is_nullable();
                cursor.open()?;
                cursor.space();
                if cursor.peek() == b']' {
                    cursor.close();
                } else {
                    loop {
                        value(cursor, known, items, scratch, nullable)?;
                        if cursor.closes(b']', "',' or ']'")? {
                            break;
                        }
                    }
                }
                offsets.push(items.len() as i32);
            }
            (Values::Map { entries: kinds, keys, cells: items, offsets, .. }, Known::Map(known)) if first == b'{' => {
                let nullable = pair(kinds).is_none_or(|(_, value)| value.is_nullable());
                entries(cursor, keys, items, scratch, &mut |cursor, items, scratch| {
                    value(cursor, known, items, scratch, nullable)
                })?;
                offsets.push(items.len() as i32);
            }
            _ => return wrong(cursor, cells),
        },
    }
    cells.pushed();
    Ok(())
}
