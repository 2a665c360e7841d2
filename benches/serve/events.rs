//! Server-sent events as they come, without more copies than one: whole events of a stream, and what their changes say.

use std::hash::{BuildHasher, Hasher};

use memchr::memmem;

/// The bytes of a stream that are no whole event yet.
#[derive(Default)]
pub struct Events {
    bytes: Vec<u8>,
    /// The head of the answer was passed.
    begun: bool,
}

impl Events {
    /// Takes bytes, and hands over the name and the data of every event that is whole now.
    pub fn take(&mut self, bytes: &[u8], mut each: impl FnMut(&[u8], &[u8])) {
        self.bytes.extend_from_slice(bytes);
        let mut at = 0;
        if !self.begun {
            let Some(head) = memmem::find(&self.bytes, b"\r\n\r\n") else { return };
            assert!(self.bytes.starts_with(b"HTTP/1.0 200"), "{}", String::from_utf8_lossy(&self.bytes));
            (self.begun, at) = (true, head + 4);
        }
        while let Some(length) = memmem::find(&self.bytes[at..], b"\n\n") {
            let event = &self.bytes[at..at + length];
            let of = |name: &[u8]| {
                let lines = event.split(|byte| *byte == b'\n');
                lines.filter_map(|line| line.strip_prefix(name)).next().unwrap_or_default()
            };
            if !event.starts_with(b":") {
                each(of(b"event: "), of(b"data: "));
            }
            at += length + 2;
        }
        self.bytes.drain(..at);
    }
}

/// The epoch of an event.
pub fn epoch(data: &[u8]) -> &[u8] {
    let at = memmem::find(data, b"\"epoch\":\"").map_or(data.len(), |at| at + 9);
    let end = memchr::memchr(b'"', &data[at..]).unwrap_or_default();
    &data[at..at + end]
}

/// Rows as one number, whatever their order: equal bags of rows have equal sums, and others have not, but for chance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Bag(pub u64);

impl Bag {
    fn add(&mut self, members: &[u8], status: &[u8], version: &[u8], insert: bool) {
        let mut hasher = foldhash::quality::FixedState::default().build_hasher();
        [members, status, version].into_iter().for_each(|part| hasher.write(part));
        let hash = hasher.finish();
        self.0 = if insert { self.0.wrapping_add(hash) } else { self.0.wrapping_sub(hash) };
    }

    /// The changes of a delta; answers how many.
    pub fn change(&mut self, data: &[u8]) -> u64 {
        let mut changes = 0;
        for change in pieces(data, b"{\"op\":\"") {
            let row = between(change, b"\"row\":{", b"},\"status\":\"");
            let standing = &change[memmem::find(change, b"},\"status\":\"").map_or(0, |at| at + 12)..];
            let status = until(standing, b'"');
            self.add(row, status, digits(standing, b"\"version\":"), change.starts_with(b"insert"));
            changes += 1;
        }
        changes
    }

    /// The rows of a snapshot, or of an answer.
    pub fn rows(data: &[u8]) -> Bag {
        let mut bag = Bag::default();
        let start = memmem::find(data, b"\"rows\":[").map_or(data.len(), |at| at + 8);
        let mut rest = &data[start..];
        while let Some(end) = memmem::find(rest, b",\"_status\":\"") {
            let (row, standing) = (&rest[memchr::memchr(b'{', rest).unwrap_or_default() + 1..end], &rest[end + 12..]);
            bag.add(row, until(standing, b'"'), digits(standing, b"\"_version\":"), true);
            let next = memchr::memchr(b'}', standing).map_or(standing.len(), |at| at + 1);
            rest = &standing[next..];
        }
        bag
    }
}

/// The largest number that stands behind a word in the rows that a delta inserts.
pub fn largest(data: &[u8], word: &[u8]) -> Option<u64> {
    let inserted = pieces(data, b"{\"op\":\"").filter(|change| change.starts_with(b"insert"));
    inserted
        .map(|change| digits(change, word))
        .filter_map(|digits| std::str::from_utf8(digits).ok()?.parse().ok())
        .max()
}

/// What stands between the places of a word, and after the last.
fn pieces<'a>(data: &'a [u8], word: &'static [u8]) -> impl Iterator<Item = &'a [u8]> {
    let mut starts = memmem::find_iter(data, word).map(move |at| at + word.len()).peekable();
    std::iter::from_fn(move || {
        let start = starts.next()?;
        let end = starts.peek().map_or(data.len(), |next| next - word.len());
        Some(&data[start..end])
    })
}

fn between<'a>(data: &'a [u8], before: &[u8], after: &[u8]) -> &'a [u8] {
    let start = memmem::find(data, before).map_or(0, |at| at + before.len());
    let end = memmem::find(&data[start..], after).map_or(data.len(), |at| start + at);
    &data[start..end]
}

fn until(data: &[u8], byte: u8) -> &[u8] {
    &data[..memchr::memchr(byte, data).unwrap_or(data.len())]
}

fn digits<'a>(data: &'a [u8], word: &[u8]) -> &'a [u8] {
    let start = memmem::find(data, word).map_or(data.len(), |at| at + word.len());
    let length = data[start..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    &data[start..start + length]
}
