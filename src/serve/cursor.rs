//! Where the next page of rows begins. A cursor names the last row's place in the order of the pages, its key among them,
//! not its values: a row that changes keeps its place. Pages in an order of the caller's also name the epoch of the first.
//!
//! Bytes as hexadecimal: a check of what was asked for (4), an epoch (16) if the order is the caller's, and the place.

use std::hash::BuildHasher;

use super::problem::Problem;
use highwater_core::time::Epoch;

/// A place among rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cursor {
    /// Of which epoch the pages are, if they are in an order of the caller's.
    pub(super) epoch: Option<Epoch>,
    /// The encoding of what the rows are ordered by, of the last row.
    pub(super) place: Vec<u8>,
}

/// A number that differs, but for chance, if something else is asked for.
pub(super) fn check(asked: &impl std::hash::Hash) -> u32 {
    foldhash::quality::FixedState::with_seed(0).hash_one(asked) as u32
}

impl Cursor {
    /// As text, for a request with this check.
    pub(super) fn write(&self, check: u32) -> String {
        let mut bytes = check.to_be_bytes().to_vec();
        if let Some(epoch) = self.epoch {
            bytes.extend(epoch.watermark.to_be_bytes());
            bytes.extend(epoch.tick.to_be_bytes());
        }
        bytes.extend_from_slice(&self.place);
        bytes.iter().fold(String::with_capacity(2 * bytes.len()), |out, byte| out + &format!("{byte:02x}"))
    }

    /// What [`Cursor::write`] wrote for the same request, whose order is the caller's or not.
    pub(super) fn read(text: &str, check: u32, ordered: bool) -> Result<Cursor, Problem> {
        let refuse = |why: &str| Problem::bad_request(format!("cursor={text}: {why}"));
        let broken = || refuse("hand back the 'next' of the page before, as it was");
        let bytes = read_hex(text).ok_or_else(broken)?;
        let (head, mut place) = bytes.split_first_chunk::<4>().ok_or_else(broken)?;
        if u32::from_be_bytes(*head) != check {
            return Err(refuse(
                "it is of other rows, or of another order or filter: hand it back with the same request",
            ));
        }
        let mut number = || {
            let (number, rest) = place.split_first_chunk::<8>()?;
            place = rest;
            Some(*number)
        };
        let epoch = match ordered {
            true => {
                let (watermark, tick) = number().zip(number()).ok_or_else(broken)?;
                Some(Epoch { watermark: i64::from_be_bytes(watermark), tick: u64::from_be_bytes(tick) })
            }
            false => None,
        };
        Ok(Cursor { epoch, place: place.to_vec() })
    }
}

fn read_hex(text: &str) -> Option<Vec<u8>> {
    if !text.is_ascii() || !text.len().is_multiple_of(2) {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok()).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_written_and_for_its_own_request_only() {
        let epoch = Epoch { watermark: -5, tick: 7 };
        for (epoch, place) in [(None, vec![]), (None, vec![0, 255]), (Some(epoch), vec![]), (Some(epoch), vec![1; 40])]
        {
            let cursor = Cursor { epoch, place };
            let text = cursor.write(9);
            assert_eq!(Cursor::read(&text, 9, epoch.is_some()).unwrap(), cursor);
            assert!(Cursor::read(&text, 8, epoch.is_some()).is_err());
        }
        for broken in ["0", "0g000000", "000000", "zz", "00000009ff", "é000"] {
            assert!(Cursor::read(broken, 9, true).is_err(), "{broken}");
        }
    }
}
