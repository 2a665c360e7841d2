//! Folders by partition, as Hive has them: `column=value`, in the path of every file that holds the rows of that value.
//!
//! Invariant: NULL, the empty text and the text that spells the name of NULL's folder are three folders, and each is read as itself.

use std::path::Path;

/// The name of NULL's folder, unless an option says another.
pub const DEFAULT_PARTITION: &str = "__DEFAULT_PARTITION__";

/// What others call it; read as NULL too.
const HIVES: &str = "__HIVE_DEFAULT_PARTITION__";

/// Characters that do not stand for themselves, besides control characters.
const ESCAPED: &str = "\"#%'*/:=?\\\u{7f}{[]^";

fn is_escaped(character: char) -> bool {
    character.is_ascii_control() || ESCAPED.contains(character)
}

/// Whether NULL's folder can be called so: by some character that stands for itself.
pub fn is_partition_name(name: &str) -> bool {
    name.chars().any(|character| !is_escaped(character) && character != '.')
}

/// The name of a column or value as it stands in a folder's.
fn escaped(value: &str) -> String {
    let mut name = String::with_capacity(value.len());
    for character in value.chars() {
        match is_escaped(character) {
            true => name.push_str(&format!("%{:02X}", u32::from(character))),
            false => name.push(character),
        }
    }
    // These are not names.
    if name == "." || name == ".." { name.replace('.', "%2E") } else { name }
}

/// The folder of a value of a column; `default` is what stands for NULL.
pub fn folder(column: &str, value: Option<&str>, default: &str) -> String {
    let name = match value {
        None => escaped(default),
        // No character of it stands for itself, as one of NULL's name does.
        Some(value) if value == default || value == HIVES => value.bytes().map(|byte| format!("%{byte:02X}")).collect(),
        Some(value) => escaped(value),
    };
    format!("{}={name}", escaped(column))
}

/// The column and the value that the name of a folder tells, if it tells any.
fn told(name: &str, default: &str) -> Option<(String, Option<String>)> {
    let (column, value) = name.split_once('=')?;
    let value = if value == escaped(default) || value == HIVES { None } else { Some(plain(value)?) };
    Some((plain(column)?, value))
}

/// The values that the folders on the way to a file tell; of a column told twice the innermost counts.
pub fn told_by(file: &Path, default: &str) -> Vec<(String, Option<String>)> {
    let folders = file.parent().into_iter().flat_map(Path::components).rev();
    folders.filter_map(|folder| told(folder.as_os_str().to_str()?, default)).collect()
}

/// Whether the folder of that name is one of a column that `is_column` knows.
pub fn is_partition(name: &str, is_column: impl Fn(&str) -> bool) -> bool {
    told(name, DEFAULT_PARTITION).is_some_and(|(column, _)| is_column(&column))
}

/// What a name stands for.
fn plain(name: &str) -> Option<String> {
    let (mut bytes, mut rest) = (Vec::with_capacity(name.len()), name);
    while let Some(at) = rest.find('%') {
        bytes.extend_from_slice(&rest.as_bytes()[..at]);
        match rest.get(at + 1..at + 3).and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &rest[at + 3..];
            }
            None => {
                bytes.push(b'%');
                rest = &rest[at + 1..];
            }
        }
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_has_a_folder_of_its_own_and_is_read_back() {
        for default in [DEFAULT_PARTITION, "none", "Ünbekannt", "/x"] {
            let values = [
                "",
                "a",
                "none",
                "Ünbekannt",
                DEFAULT_PARTITION,
                HIVES,
                "%5F",
                "a/b=c",
                ".",
                "..",
                "é\n",
                "100%",
                "%zz",
            ];
            let mut names = std::collections::BTreeSet::new();
            for value in values.iter().map(|value| Some(*value)).chain([None]) {
                let name = folder("k=1", value, default);
                assert!(!name.contains('/') && names.insert(name.clone()), "{name}");
                let expected = vec![("k=1".to_owned(), value.map(str::to_owned))];
                assert_eq!(told_by(&Path::new("out").join(&name).join("part-0.json"), default), expected, "{name}");
            }
        }
        assert_eq!(told("k=__HIVE_DEFAULT_PARTITION__", DEFAULT_PARTITION), Some(("k".to_owned(), None)));
        assert!(["", "..", "%", "//"].iter().all(|name| !is_partition_name(name)) && is_partition_name("none/known"));
    }
}
