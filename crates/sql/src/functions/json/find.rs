//! What stands at a path, found in one pass over the text: values are passed over, not built, and keep their digits.

use highwater_core::format::json::cursor::{Bad, Cursor};

use super::path::{Path, Step};

/// The texts of the values at a path, in their order; an error if the document is not JSON, or nested too deep.
pub(super) fn find<'a>(text: &'a str, path: &Path, found: &mut Vec<&'a str>) -> Result<(), Bad> {
    found.clear();
    let mut cursor = Cursor::over(text);
    cursor.space();
    at(&mut cursor, text, &path.steps, !path.strict, found)?;
    cursor.space();
    if cursor.at < text.len() {
        return cursor.bad("the end of the document");
    }
    Ok(())
}

/// The values at the rest of a path from the value at hand. In `lax` a name is looked for in the items of an array too, and what is no
/// array is one of itself.
fn at<'a>(
    cursor: &mut Cursor<'a>,
    text: &'a str,
    steps: &[Step],
    lax: bool,
    found: &mut Vec<&'a str>,
) -> Result<(), Bad> {
    let Some((step, rest)) = steps.split_first() else {
        let start = cursor.at;
        cursor.skip()?;
        found.push(&text[start..cursor.at]);
        return Ok(());
    };
    match (cursor.peek(), step) {
        (b'{', Step::Key(_) | Step::Members) => {
            cursor.open()?;
            cursor.space();
            if cursor.peek() == b'}' {
                cursor.close();
                return Ok(());
            }
            let before = found.len();
            loop {
                let (name, escaped) = cursor.string()?;
                let mut plain = Vec::new();
                let name = if escaped {
                    cursor.unescape(name, &mut plain)?;
                    plain.as_slice()
                } else {
                    name
                };
                let wanted = match step {
                    Step::Key(key) => name == key.as_bytes(),
                    _ => true,
                };
                cursor.space();
                cursor.expect(b':', "':'")?;
                cursor.space();
                if wanted {
                    // Of a name that is there twice the last one counts.
                    if matches!(step, Step::Key(_)) {
                        found.truncate(before);
                    }
                    at(cursor, text, rest, lax, found)?;
                } else {
                    cursor.skip()?;
                }
                if cursor.closes(b'}', "',' or '}'")? {
                    return Ok(());
                }
            }
        }
        (b'[', step) if lax || matches!(step, Step::Index(_) | Step::Items) => {
            cursor.open()?;
            cursor.space();
            if cursor.peek() == b']' {
                cursor.close();
                return Ok(());
            }
            let mut index = 0;
            loop {
                match step {
                    Step::Index(wanted) if *wanted != index => cursor.skip()?,
                    Step::Index(_) | Step::Items => at(cursor, text, rest, lax, found)?,
                    // Arrays in arrays stay.
                    _ if cursor.peek() == b'{' => at(cursor, text, steps, lax, found)?,
                    _ => cursor.skip()?,
                }
                index += 1;
                if cursor.closes(b']', "',' or ']'")? {
                    return Ok(());
                }
            }
        }
        (_, Step::Index(0) | Step::Items) if lax => at(cursor, text, rest, lax, found),
        _ => cursor.skip(),
    }
}

/// The text that a JSON string stands for, appended.
pub(super) fn unquote(quoted: &str, out: &mut String) -> Option<()> {
    let mut cursor = Cursor::over(quoted);
    let (text, escaped) = cursor.string().ok()?;
    if !escaped {
        out.push_str(std::str::from_utf8(text).ok()?);
        return Some(());
    }
    let mut plain = Vec::new();
    cursor.unescape(text, &mut plain).ok()?;
    out.push_str(std::str::from_utf8(&plain).ok()?);
    Some(())
}

/// A number as text: whole ones as they stand, others as DOUBLE is shown if that says as much.
pub(super) fn number(text: &str, out: &mut String) {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    match text.parse::<f64>() {
        Ok(value) if text.contains(['.', 'e', 'E']) && digits <= 15 && value.is_finite() => {
            out.push_str(&serde_json::Number::from_f64(value).map_or_else(|| text.to_owned(), |n| n.to_string()));
        }
        _ => out.push_str(text),
    }
}

/// JSON without space between its parts, appended.
pub(super) fn compact(text: &str, out: &mut String) {
    let mut rest = text;
    while let Some(quote) = rest.find('"') {
        out.extend(rest[..quote].chars().filter(|c| !c.is_ascii_whitespace()));
        let bytes = rest.as_bytes();
        let mut end = quote + 1;
        while end < bytes.len() && bytes[end] != b'"' {
            end += if bytes[end] == b'\\' { 2 } else { 1 };
        }
        let end = (end + 1).min(rest.len());
        out.push_str(&rest[quote..end]);
        rest = &rest[end..];
    }
    out.extend(rest.chars().filter(|c| !c.is_ascii_whitespace()));
}
