//! What a source promises of its splits and positions (S1 to S7 in docs/internals/positions.md): read again from any position that came
//! with its rows, the rest is what followed there, row for row, with the same record numbers and rejects.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use super::{Decoded, Position, Read, Reader, Replay, SourceSpec, SplitId, Start};
use crate::delta::Reject;
use crate::format;

/// Reads all splits of a source, then again from positions that came with their rows, `most` rows of each split at most. A source that is read
/// once only is to refuse to begin anywhere else. Returns how many positions were tried.
///
/// # Panics
/// It does not go on as it was, or it answers other splits when it is asked again.
pub fn check(spec: &SourceSpec, most: usize) -> usize {
    spec.connector.check(spec).unwrap();
    if spec.connector.replay() == Replay::Seek {
        let tried = holds(spec, most);
        assert!(tried > 1, "{}: {tried} positions: give it rows for several batches", spec.connector.name());
        return tried;
    }
    for split in spec.connector.splits(spec).unwrap() {
        let refused = spec.connector.open(spec, &[(split.clone(), Start::At(Position::counted(1)))]);
        assert!(refused.is_err(), "S7: '{split}' is read once, and is not to be opened at a position");
    }
    0
}

/// How long a source that has an end may say that there is nothing yet.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a reader gave: rows as JSON with their record numbers, rejects, and the positions with how many of both were before.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Told {
    pub(super) rows: Vec<(u64, String)>,
    pub(super) rejects: Vec<Reject>,
    pub(super) positions: Vec<(Position, usize, usize)>,
}

impl Told {
    /// Reads until the end, or `most` rows; of what never ends, until nothing comes three times in turn.
    pub(super) fn of(spec: &SourceSpec, reader: &mut dyn Reader, most: usize) -> Told {
        let (mut told, mut waits, mut waited) = (Told::default(), 0, Duration::ZERO);
        let live = spec.connector.live(&spec.options);
        while told.rows.len() < most && !(live && waits == 3) {
            match reader.read().unwrap() {
                Read::End => break,
                Read::Wait(pause) => {
                    (waits, waited) = (waits + 1, waited + pause);
                    let name = reader.name();
                    assert!(live || waited < PATIENCE, "'{name}' is not live, and neither rows nor its end come");
                    std::thread::sleep(pause);
                }
                Read::Begins(_) => waits = 0,
                Read::Rows(Decoded { batch, rejects, first, numbers, end, .. }) => {
                    (waits, waited) = (0, Duration::ZERO);
                    told.rows.extend((0..batch.num_rows()).map(|row| {
                        let number = numbers.as_ref().map_or(first + row as u64, |numbers| numbers[row]);
                        (number, format::row_as_json(batch.schema_ref(), batch.columns(), row))
                    }));
                    told.rejects.extend(rejects);
                    told.positions.push((end, told.rows.len(), told.rejects.len()));
                }
            }
        }
        told
    }
}

pub(super) fn opened(spec: &SourceSpec, split: &SplitId, start: Start) -> Box<dyn Reader> {
    spec.connector.open(spec, &[(split.clone(), start)]).unwrap().remove(0)
}

/// Reads all splits, then again from some positions of each; returns how many were tried.
pub(super) fn holds(spec: &SourceSpec, most: usize) -> usize {
    let (splits, live) = (spec.connector.splits(spec).unwrap(), spec.connector.live(&spec.options));
    assert_eq!(splits, spec.connector.splits(spec).unwrap(), "S1: the same splits when asked again");
    let mut tried = 0;
    for split in splits {
        let whole = Told::of(spec, opened(spec, &split, Start::Beginning).as_mut(), most);
        let step = whole.positions.len().div_ceil(17).max(1);
        let some =
            whole.positions.iter().enumerate().filter(|(at, _)| at % step == 0 || at + 1 == whole.positions.len());
        for (_, (position, rows, rejects)) in some {
            assert_eq!(position.rows, *rows as u64, "S4: rows before it are counted");
            let written: Position = position.to_string().parse().unwrap();
            assert_eq!(written, *position);
            let rest =
                Told::of(spec, opened(spec, &split, Start::At(written)).as_mut(), most.saturating_sub(*rows).max(1));
            let shown = format!("{split} from {position} behind {rows} rows, {rejects} rejects");
            let common = if live { rest.rows.len().min(whole.rows.len() - rows) } else { usize::MAX };
            let expected = &whole.rows[*rows..];
            assert_eq!(rest.rows[..common.min(rest.rows.len())], expected[..common.min(expected.len())], "{shown}");
            assert_eq!(rest.rejects, whole.rejects[*rejects..], "{shown}");
            if let (Some((end, ..)), Some((other, ..)), false) = (rest.positions.last(), whole.positions.last(), live) {
                // Blank lines at the end may stand behind it, or before it.
                assert_eq!(end.rows, other.rows, "{shown}: it ends behind the same row");
            }
            tried += 1;
        }
    }
    tried
}
