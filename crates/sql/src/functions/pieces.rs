//! Pieces of text, by characters from 1: SUBSTR, LEFT, RIGHT, LPAD, RPAD, OVERLAY, INSTR, ELT, CHR, as Flink has them.

use super::function::{Form, Function, Kind};
use highwater_core::expression::{MAX_TEXT, too_long};

const TEXT_INT: &[Kind] = &[Kind::Text, Kind::Int];

/// Every function of this family.
pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "substr",
        aliases: &["substring"],
        forms: &[
            Form::new(TEXT_INT, Kind::Text, |args| {
                let (text, from) = (args.text(0), args.int(1));
                Ok(args.slices(|row| Some(part(text.get(row)?, from.get(row)?, i64::MAX))))
            }),
            Form::new(&[Kind::Text, Kind::Int, Kind::Int], Kind::Text, |args| {
                let (text, from, length) = (args.text(0), args.int(1), args.int(2));
                Ok(args.slices(|row| {
                    let (text, from, length) = (text.get(row)?, from.get(row)?, length.get(row)?);
                    (length >= 0).then(|| part(text, from, length))
                }))
            }),
        ],
    },
    Function {
        name: "left",
        aliases: &[],
        forms: &[Form::new(TEXT_INT, Kind::Text, |args| {
            let (text, length) = (args.text(0), args.int(1));
            Ok(args.slices(|row| Some(part(text.get(row)?, 1, length.get(row)?.max(0)))))
        })],
    },
    Function {
        name: "right",
        aliases: &[],
        forms: &[Form::new(TEXT_INT, Kind::Text, |args| {
            let (text, length) = (args.text(0), args.int(1));
            Ok(args.slices(|row| {
                let (text, length) = (text.get(row)?, length.get(row)?.max(0));
                let skipped = usize::try_from(length).map_or(0, |length| text.chars().count().saturating_sub(length));
                Some(&text[place(text, skipped)..])
            }))
        })],
    },
    Function { name: "lpad", aliases: &[], forms: &[Form::new(PAD, Kind::Text, |args| pad(args, true))] },
    Function { name: "rpad", aliases: &[], forms: &[Form::new(PAD, Kind::Text, |args| pad(args, false))] },
    Function {
        name: "repeat",
        aliases: &[],
        forms: &[Form::new(TEXT_INT, Kind::Text, |args| {
            let (text, times) = (args.text(0), args.int(1));
            args.trying(
                |row| {
                    let (Some(text), Some(times)) = (text.get(row), times.get(row)) else { return Ok(None) };
                    let times = if text.is_empty() { 0 } else { usize::try_from(times).unwrap_or(0) };
                    match text.len().saturating_mul(times) {
                        // A character has a byte at least.
                        bytes if bytes > MAX_TEXT && text.chars().count().saturating_mul(times) > MAX_TEXT => {
                            too_long(text.chars().count().saturating_mul(times))
                        }
                        _ => Ok(Some((text, times))),
                    }
                },
                |args, value| {
                    args.texts(|row, out| {
                        let (text, times) = value(row)?;
                        out.extend(std::iter::repeat_n(text, times));
                        Some(())
                    })
                },
            )
        })],
    },
    Function {
        name: "replace",
        aliases: &[],
        forms: &[Form::new(&[Kind::Text, Kind::Text, Kind::Text], Kind::Text, |args| {
            let (text, what, with) = (args.text(0), args.text(1), args.text(2));
            args.trying(
                |row| {
                    let (Some(text), Some(what), Some(with)) = (text.get(row), what.get(row), with.get(row)) else {
                        return Ok(None);
                    };
                    let times = text.matches(what).count();
                    let count = |text: &str| text.chars().count();
                    match text.len() - times * what.len() + times.saturating_mul(with.len()) {
                        bytes if bytes > MAX_TEXT => {
                            match count(text) - times * count(what) + times.saturating_mul(count(with)) {
                                length if length > MAX_TEXT => too_long(length),
                                _ => Ok(Some((text, what, with))),
                            }
                        }
                        _ => Ok(Some((text, what, with))),
                    }
                },
                |args, value| {
                    args.texts(|row, out| {
                        let (text, what, with) = value(row)?;
                        out.push_str(&text.replace(what, with));
                        Some(())
                    })
                },
            )
        })],
    },
    Function {
        name: "overlay",
        aliases: &[],
        forms: &[
            Form::new(&[Kind::Text, Kind::Text, Kind::Int], Kind::Text, |args| {
                let (text, new, from) = (args.text(0), args.text(1), args.int(2));
                Ok(args.texts(|row, out| {
                    let (text, new, from) = (text.get(row)?, new.get(row)?, from.get(row)?);
                    overlay(text, new, from, new.chars().count() as i64, out);
                    Some(())
                }))
            }),
            Form::new(&[Kind::Text, Kind::Text, Kind::Int, Kind::Int], Kind::Text, |args| {
                let (text, new, from, length) = (args.text(0), args.text(1), args.int(2), args.int(3));
                Ok(args.texts(|row, out| {
                    overlay(text.get(row)?, new.get(row)?, from.get(row)?, length.get(row)?, out);
                    Some(())
                }))
            }),
        ],
    },
    Function {
        name: "instr",
        aliases: &[],
        forms: &[Form::new(&[Kind::Text, Kind::Text], Kind::Int, |args| {
            let (text, part) = (args.text(0), args.text(1));
            Ok(args.ints(|row| {
                let text = text.get(row)?;
                Some(text.find(part.get(row)?).map_or(0, |at| text[..at].chars().count() as i64 + 1))
            }))
        })],
    },
    Function {
        name: "chr",
        aliases: &[],
        forms: &[Form::new(&[Kind::Int], Kind::Text, |args| {
            let code = args.int(0);
            Ok(args.texts(|row, out| {
                let code = code.get(row)?;
                if code >= 0 {
                    out.push(char::from((code % 256) as u8));
                }
                Some(())
            }))
        })],
    },
    Function {
        name: "ascii",
        aliases: &[],
        forms: &[Form::new(&[Kind::Text], Kind::Int, |args| {
            let text = args.text(0);
            Ok(args.ints(|row| Some(text.get(row)?.chars().next().map_or(0, |c| i64::from(u32::from(c))))))
        })],
    },
];

const PAD: &[Kind] = &[Kind::Text, Kind::Int, Kind::Text];

/// The byte where the character number `at` (from 0) begins, or the end.
fn place(text: &str, at: usize) -> usize {
    if text.is_ascii() {
        return at.min(text.len());
    }
    text.char_indices().nth(at).map_or(text.len(), |(place, _)| place)
}

/// So many characters from one on: from 1, from the end if negative. What begins before the text is nothing.
fn part(text: &str, from: i64, length: i64) -> &str {
    let start = match from {
        1.. => from as u64 - 1,
        0 => 0,
        _ => match (text.chars().count() as u64).checked_sub(from.unsigned_abs()) {
            Some(start) => start,
            None => return "",
        },
    };
    let rest = &text[place(text, usize::try_from(start).unwrap_or(usize::MAX))..];
    &rest[..place(rest, usize::try_from(length.max(0)).unwrap_or(usize::MAX))]
}

/// Filled up, or cut, to a length.
fn pad(args: &super::function::Args, left: bool) -> datafusion_common::Result<arrow_array::ArrayRef> {
    let (text, length, fill) = (args.text(0), args.int(1), args.text(2));
    args.trying(
        |row| {
            let (Some(text), Some(length), Some(fill)) = (text.get(row), length.get(row), fill.get(row)) else {
                return Ok(None);
            };
            let Ok(length) = usize::try_from(length) else { return Ok(None) };
            if length > MAX_TEXT {
                return too_long(length);
            }
            let missing = length.saturating_sub(text.chars().count());
            if missing > 0 && fill.is_empty() {
                return Ok(None);
            }
            let filling = fill.chars().cycle().take(missing);
            Ok(Some(match left {
                true => filling.chain(text.chars()).take(length).collect::<String>(),
                false => text.chars().chain(filling).take(length).collect(),
            }))
        },
        |args, value| {
            args.texts(|row, out| {
                out.push_str(&value(row)?);
                Some(())
            })
        },
    )
}

/// The text with so many characters from one on replaced. Where that begins outside of the text nothing is.
fn overlay(text: &str, new: &str, from: i64, length: i64, out: &mut String) {
    let count = text.chars().count() as i64;
    if from < 1 || from > count {
        return out.push_str(text);
    }
    let start = place(text, from as usize - 1);
    let end = if length < 0 { text.len() } else { place(text, (from - 1).saturating_add(length).min(count) as usize) };
    out.push_str(&text[..start]);
    out.push_str(new);
    out.push_str(&text[end..]);
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn parts_count_from_either_end() {
        for (from, length, expected) in [
            (1, 3, "str"),
            (0, 3, "str"),
            (-3, i64::MAX, "ing"),
            (-3, 2, "in"),
            (5, 2, "am"),
            (9, 9, "g"),
            (10, 1, ""),
            (-9, 2, "st"),
            (-10, 2, ""),
            (3, 0, ""),
            (i64::MIN, i64::MAX, ""),
            (i64::MAX, i64::MAX, ""),
        ] {
            assert_eq!(part("streaming", from, length), expected, "{from} {length}");
        }
        assert_eq!(part("äöü€", -2, 1), "ü");
        assert_eq!(part("äöü€", 2, 2), "öü");
    }

    #[test]
    fn overlays() {
        let of = |text: &str, new: &str, from: i64, length: i64| {
            let mut out = String::new();
            overlay(text, new, from, length, &mut out);
            out
        };
        assert_eq!(of("xxxxxtest", "xxxx", 6, 4), "xxxxxxxxx");
        assert_eq!(of("xxxxxtest", "xxxx", 6, 2), "xxxxxxxxxst");
        assert_eq!(of("It is raining", "was", 4, 2), "It was raining");
        assert_eq!(of("äöü", "-", 2, 1), "ä-ü");
        assert_eq!(of("abc", "-", 4, 1), "abc");
        assert_eq!(of("abc", "-", 0, 1), "abc");
    }
}
