//! An object as the entries of a map: a key and a value each. Of a key that is there twice the last value counts, in the place
//! of the first.
//!
//! Most maps are small and have each key once: those are decoded as they stand. What is not is looked over first.

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::super::cells::{Cells, Values};
use super::cursor::{Bad, Cursor, Problem};

/// Decodes the value at the cursor as the next of the values.
type Value<'v> = dyn FnMut(&mut Cursor<'_>, &mut Cells, &mut Vec<u8>) -> Result<(), Bad> + 'v;

/// Up to how many keys each is compared with those before it.
const FEW: usize = 16;

/// Decodes the object whose bracket is at the cursor.
pub(super) fn entries(
    cursor: &mut Cursor<'_>,
    keys: &mut Cells,
    values: &mut Cells,
    scratch: &mut Vec<u8>,
    value: &mut Value<'_>,
) -> Result<(), Bad> {
    let (at, depth, first) = (cursor.at, cursor.depth, keys.len());
    if straight(cursor, keys, values, scratch, value)? {
        return Ok(());
    }
    (cursor.at, cursor.depth) = (at, depth);
    keys.truncate(first);
    values.truncate(first);
    looked_over(cursor, keys, values, scratch, value)
}

/// One key after the other with its value; false if a key comes again, or too many do.
fn straight(
    cursor: &mut Cursor<'_>,
    keys: &mut Cells,
    values: &mut Cells,
    scratch: &mut Vec<u8>,
    value: &mut Value<'_>,
) -> Result<bool, Bad> {
    let first = keys.len();
    cursor.open()?;
    cursor.space();
    if cursor.peek() == b'}' {
        cursor.close();
        return Ok(true);
    }
    loop {
        key(cursor, scratch)?;
        push(keys, scratch)?;
        if keys.len() - first > FEW || !is_new(keys, first) {
            return Ok(false);
        }
        value(cursor, values, scratch).map_err(|bad| below(bad, keys))?;
        if cursor.closes(b'}', "',' or '}'")? {
            return Ok(true);
        }
    }
}

/// The same, each key's last value being looked for first.
fn looked_over(
    cursor: &mut Cursor<'_>,
    keys: &mut Cells,
    values: &mut Cells,
    scratch: &mut Vec<u8>,
    value: &mut Value<'_>,
) -> Result<(), Bad> {
    cursor.open()?;
    cursor.space();
    let depth = cursor.depth;
    let mut places: HashMap<Vec<u8>, (usize, usize), FixedState> = HashMap::default();
    loop {
        key(cursor, scratch)?;
        let nth = places.len();
        places.entry(scratch.clone()).or_insert((nth, 0)).1 = cursor.at;
        cursor.skip()?;
        if cursor.closes(b'}', "',' or '}'")? {
            break;
        }
    }
    let end = (cursor.at, cursor.depth);
    let mut places: Vec<(usize, usize, Vec<u8>)> = places.into_iter().map(|(key, (nth, at))| (nth, at, key)).collect();
    places.sort_unstable();
    for (_, at, key) in places {
        push(keys, &key)?;
        (cursor.at, cursor.depth) = (at, depth);
        value(cursor, values, scratch).map_err(|bad| below(bad, keys))?;
    }
    (cursor.at, cursor.depth) = end;
    Ok(())
}

/// Passes a key and its colon; what it says is in `text`.
fn key(cursor: &mut Cursor<'_>, text: &mut Vec<u8>) -> Result<(), Bad> {
    let (name, escaped) = cursor.string()?;
    text.clear();
    match escaped {
        true => cursor.unescape(name, text)?,
        false => text.extend_from_slice(name),
    }
    cursor.space();
    cursor.expect(b':', "':'")?;
    cursor.space();
    Ok(())
}

fn push(keys: &mut Cells, text: &[u8]) -> Result<(), Bad> {
    if keys.push_text(text) {
        return Ok(());
    }
    let what = format!("expected a key of type {}, found '{}'", keys.expects(), String::from_utf8_lossy(text));
    Err(Box::new(Problem { what, path: Vec::new() }))
}

/// Whether the last key is none of those from `first` on before it; of what is no text that is not known.
fn is_new(keys: &Cells, first: usize) -> bool {
    let Values::Text { bytes, offsets } = &keys.values else { return false };
    let text = |at: usize| &bytes[offsets[at] as usize..offsets[at + 1] as usize];
    let last = keys.len() - 1;
    (first..last).all(|at| text(at) != text(last))
}

/// What is wrong with the value of the last key.
fn below(mut bad: Bad, keys: &Cells) -> Bad {
    if let Values::Text { bytes, offsets } = &keys.values
        && let [.., start, end] = offsets.as_slice()
    {
        bad.path.push(String::from_utf8_lossy(&bytes[*start as usize..*end as usize]).into_owned());
    }
    bad
}
