//! What the first object of an input says of the declared columns: JSON has no header, and a name that is written otherwise would be
//! NULL in every row without a word.

use super::super::{Layout, in_other_case, listed};
use super::cursor::Cursor;

/// Tells of columns that an object has in another case only, and of an object that has none of them.
#[cold]
pub(super) fn look(object: &[u8], newlines: bool, layout: &Layout) {
    let Some(names) = names(object, newlines, layout.max_depth) else { return };
    let declared = || layout.physical.fields().iter().map(|field| field.name().as_str());
    if names.is_empty() || declared().next().is_none() {
        return;
    }
    let found = || names.iter().map(String::as_str);
    let missing = declared().filter(|name| !names.iter().any(|found| found == name));
    let other: Vec<&str> = missing.filter(|name| in_other_case(name, found()).is_some()).collect();
    if !other.is_empty() {
        let written = other.iter().filter_map(|name| in_other_case(name, found()));
        layout.notices.warn(&format!(
            "column {} is NULL where a row has {} instead: names are compared with case, declare them as they are written",
            listed(other.iter().copied()),
            listed(written)
        ));
    } else if !declared().any(|name| found().any(|found| found == name)) {
        layout.notices.warn(&format!(
            "the first row has none of the columns {}: they are NULL; it has {}",
            listed(declared()),
            listed(found())
        ));
    }
}

/// The keys of an object that was read already.
fn names(object: &[u8], newlines: bool, max_depth: u32) -> Option<Vec<String>> {
    let mut cursor = Cursor { bytes: object, at: 0, newlines, start: 0, depth: 0, max_depth };
    let mut names = Vec::new();
    cursor.open().ok()?;
    cursor.space();
    while cursor.peek() != b'}' {
        let (name, escaped) = cursor.string().ok()?;
        let mut text = Vec::new();
        match escaped {
            true => cursor.unescape(name, &mut text).ok()?,
            false => text.extend_from_slice(name),
        }
        names.push(String::from_utf8(text).ok()?);
        cursor.space();
        cursor.expect(b':', "':'").ok()?;
        cursor.space();
        cursor.skip().ok()?;
        if cursor.closes(b'}', "',' or '}'").ok()? {
            break;
        }
    }
    Some(names)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use arrow_schema::DataType;

    use super::super::super::tests::schema;
    use super::*;
    use crate::options::Options;

    fn told(object: &str) -> Vec<String> {
        let schema = schema(&[("id", DataType::Int64), ("name", DataType::Utf8)]);
        let layout = Layout::new(&schema, &[0], &Options::default()).unwrap();
        look(object.as_bytes(), false, &layout);
        layout.notices.told()
    }

    #[test]
    fn names_in_another_case_and_objects_of_something_else_are_told() {
        let found = told(r#"{"ID":1,"n\u0061me":"x","more":{"id":[{}]}}"#);
        assert!(found.len() == 1 && found[0].starts_with("column 'id' is NULL where a row has 'ID'"), "{found:?}");
        let found = told(r#"{"a":{"id":1},"b":2}"#);
        assert!(found.len() == 1 && found[0].ends_with("they are NULL; it has 'a', 'b'"), "{found:?}");
        for object in ["{}", r#"{"name":null}"#, r#"{"id":1,"ID":2}"#, r#"{"id" : 1}"#] {
            assert_eq!(told(object), [] as [&str; 0], "{object}");
        }
    }
}
