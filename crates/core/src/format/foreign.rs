//! Inputs that are something else than text, told by how they begin.

/// How they begin, and what they are.
const FOREIGN: &[(&[u8], &str)] = &[
    (b"\x1F\x8B", "packed with gzip"),
    (b"\x28\xB5\x2F\xFD", "packed with zstd"),
    (b"PK\x03\x04", "packed with zip"),
    (b"\xFD7zXZ\0", "packed with xz"),
    (b"\x04\x22\x4D\x18", "packed with lz4"),
    (b"PAR1", "Parquet"),
    (b"ARROW1\0\0", "Arrow IPC"),
    (b"SQLite format 3\0", "an SQLite database"),
];

/// The ends of names of files that are packed in ways that are not read.
pub(super) const UNREAD: &[&str] =
    &["gz", "zst", "bz2", "xz", "zip", "lz4", "br", "7z", "rar", "tar", "tgz", "tbz2", "lzma", "snappy", "z"];

/// Refuses what is no text.
pub fn is_text(head: &[u8]) -> Result<(), String> {
    let found = FOREIGN.iter().find(|(magic, _)| head.starts_with(magic)).map(|(_, what)| *what);
    let bzip = head.starts_with(b"BZh") && head.get(4..10) == Some(b"1AY&SY");
    let Some(what) = found.or(bzip.then_some("packed with bzip2")) else { return Ok(()) };
    let remedy = match what.strip_prefix("packed with ") {
        Some("gzip" | "zstd") => "say so: 'compression' of a file, Content-Encoding of a body",
        Some(_) => "unpack it first; gzip and zstd are read",
        None => "it is no text, and is read by its own 'format' if there is one",
    };
    Err(format!("the input is {what}: {remedy}"))
}

/// The encoding of text that begins so: UTF-16 without a mark, whose first two letters are of ASCII.
pub fn unmarked(head: &[u8]) -> Option<&'static str> {
    match head {
        [0, a, 0, b, ..] if *a != 0 && *b != 0 => Some("UTF-16BE"),
        [a, 0, b, 0, ..] if *a != 0 && *b != 0 => Some("UTF-16LE"),
        _ => None,
    }
}

/// What a library says of damaged bytes, without its own names for its kinds of errors.
pub(super) fn plain(error: &str) -> String {
    const KINDS: [&str; 7] = [
        "Parquet error: ",
        "Parquet argument error: ",
        "Ipc error: ",
        "Parser error: ",
        "External error: ",
        "Io error: ",
        "EOF: ",
    ];
    let mut rest = error;
    while let Some(kind) = KINDS.iter().find(|kind| rest.starts_with(**kind)) {
        rest = &rest[kind.len()..];
    }
    match rest {
        "Unexpected End of Stream" => "it breaks off".to_owned(),
        "Unexpected EOS" => "something follows its end".to_owned(),
        rest => rest.to_owned(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_text_is_told_by_its_beginning() {
        for (head, told) in [
            (&b"\x1F\x8B\x08"[..], "packed with gzip: say so: 'compression'"),
            (b"BZh91AY&SY..", "packed with bzip2: unpack it first"),
            (b"PAR1....", "the input is Parquet: "),
        ] {
            assert!(is_text(head).unwrap_err().contains(told), "{head:?}");
        }
        for head in [&b""[..], b"id,t\n", b"BZh9 is a word", b"PAR", b"\x1F"] {
            assert_eq!(is_text(head), Ok(()));
        }
        let unmarked = [&b"a\0,\0"[..], b"\0{\0\"", b"a\0\0\0", b"a\0b", b"ab\0\0"].map(unmarked);
        assert_eq!(unmarked, [Some("UTF-16LE"), Some("UTF-16BE"), None, None, None]);
        assert_eq!(plain("Ipc error: Ipc error: Unexpected End of Stream"), "it breaks off");
        assert_eq!(plain("EOF: 3 bytes at 7 of 9"), "3 bytes at 7 of 9");
    }
}
