//! Windows of fixed size: which windows a time falls in, and the reduce over them.
//!
//! All times are ms, windows are half-open, arithmetic saturates. A window is made of *slices*: side by side, of
//! [`Window::slice_ms`], every row of a slice is in the same windows.

mod assign;
mod cells;
mod clocks;
mod panes;
mod slices;
mod split;

pub use assign::assign;
pub use panes::{Panes, Source};
pub use slices::Slices;

use crate::time::Zone;

/// Windows of fixed size, all in ms. `start = ts - floor_mod(ts - offset, slide)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Window {
    /// Side by side.
    Tumble {
        /// Length.
        size: i64,
        /// Shift of the grid.
        offset: i64,
    },
    /// Of `size`, one starting every `slide`.
    Hop {
        /// Length.
        size: i64,
        /// From start to start.
        slide: i64,
        /// Shift of the grid.
        offset: i64,
    },
    /// Growing by `step` up to `size`, then anew.
    Cumulate {
        /// Growth.
        step: i64,
        /// Full length, a whole multiple of `step`.
        size: i64,
        /// Shift of the grid.
        offset: i64,
    },
}

impl Window {
    /// Length of a slice.
    pub fn slice_ms(&self) -> i64 {
        match *self {
            Window::Tumble { size, .. } => size,
            Window::Hop { size, slide, .. } => gcd(size, slide),
            Window::Cumulate { step, .. } => step,
        }
    }

    /// Length of the longest window.
    pub fn size_ms(&self) -> i64 {
        match *self {
            Window::Tumble { size, .. } | Window::Hop { size, .. } | Window::Cumulate { size, .. } => size,
        }
    }

    /// From the end of a window to the end of the next.
    pub fn step_ms(&self) -> i64 {
        match *self {
            Window::Tumble { size: step, .. } | Window::Hop { slide: step, .. } | Window::Cumulate { step, .. } => step,
        }
    }

    /// Shift of the grid.
    pub fn offset_ms(&self) -> i64 {
        match *self {
            Window::Tumble { offset, .. } | Window::Hop { offset, .. } | Window::Cumulate { offset, .. } => offset,
        }
    }

    /// The same on a grid that is shifted further.
    pub fn shifted(self, by: i64) -> Window {
        match self {
            Window::Tumble { size, offset } => Window::Tumble { size, offset: offset.saturating_add(by) },
            Window::Hop { size, slide, offset } => Window::Hop { size, slide, offset: offset.saturating_add(by) },
            Window::Cumulate { step, size, offset } => {
                Window::Cumulate { step, size, offset: offset.saturating_add(by) }
            }
        }
    }

    /// The windows that hold an instant by the clocks of a zone, as instants: from when on they show the start or a later time,
    /// up to when they last show a time before the end. Where the clocks are put back a window has all that they show twice.
    pub fn over_in(&self, instant: i64, zone: Zone) -> impl Iterator<Item = (i64, i64)> + use<> {
        let mut before = None;
        let instants = move |(start, end): (i64, i64)| (zone.opens(start), zone.closes(end));
        // Windows that end where clocks are put forward end at once: they are one.
        self.over(zone.local(instant)).map(instants).filter(move |window| before.replace(*window) != Some(*window))
    }

    /// Where the slice of a time starts.
    pub fn slice_start(&self, time: i64) -> i64 {
        floor(time, self.slice_ms(), self.offset_ms())
    }

    /// The end of the last window that holds a slice.
    pub fn last_end(&self, slice: i64) -> i64 {
        match *self {
            Window::Tumble { size, .. } => slice.saturating_add(size),
            Window::Hop { size, slide, offset } => floor(slice, slide, offset).saturating_add(size),
            Window::Cumulate { size, offset, .. } => floor(slice, size, offset).saturating_add(size),
        }
    }

    /// The windows that hold a time (or the slice that starts there), as `(start, end)`, ends ascending.
    pub fn over(&self, time: i64) -> impl Iterator<Item = (i64, i64)> + use<> {
        let run = self.run(time);
        (0..run.count).map(move |k| run.get(k))
    }

    /// The first of [`Window::over`] whose end is not `closed`; all ends before a closed one are closed too.
    pub fn first_open(&self, time: i64, closed: impl Fn(i64) -> bool) -> Option<(i64, i64)> {
        let run = self.run(time);
        let (mut low, mut high) = (0, run.count);
        while low < high {
            let middle = low + (high - low) / 2;
            if closed(run.get(middle).1) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        (low < run.count).then(|| run.get(low))
    }

    fn run(&self, time: i64) -> Run {
        let (start, end, count, start_step, end_step) = match *self {
            Window::Tumble { size, offset } => {
                let start = floor(time, size, offset);
                (start, start.saturating_add(size), 1, 0, 0)
            }
            Window::Hop { size, slide, offset } => {
                let start = floor(time, slide, offset);
                let room = size.saturating_sub(time.saturating_sub(start));
                let count = if room > 0 { (room - 1) / slide + 1 } else { 0 };
                (start, start.saturating_add(size), count, slide, slide)
            }
            Window::Cumulate { step, size, offset } => {
                let (start, slice) = (floor(time, size, offset), floor(time, step, offset));
                let before = slice.saturating_sub(start) / step;
                (start, start.saturating_add(size), size / step - before, 0, step)
            }
        };
        Run { start, end, count, start_step, end_step }
    }
}

/// Windows that follow one another: the last start and end, how many, and by how much start and end differ.
#[derive(Clone, Copy)]
struct Run {
    start: i64,
    end: i64,
    count: i64,
    start_step: i64,
    end_step: i64,
}

impl Run {
    /// The `k`-th window, from the first.
    fn get(&self, k: i64) -> (i64, i64) {
        let back = |from: i64, step: i64| from.saturating_sub(step.saturating_mul(self.count - 1 - k));
        (back(self.start, self.start_step), back(self.end, self.end_step))
    }
}

/// The largest `offset + k * size` that is not above `time`.
fn floor(time: i64, size: i64, offset: i64) -> i64 {
    time.saturating_sub(time.saturating_sub(offset).rem_euclid(size))
}

fn gcd(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn windows_of_a_zone_are_those_that_its_clocks_show() {
        const HOUR: i64 = 3_600_000;
        let windows = [
            Window::Tumble { size: 24 * HOUR, offset: 0 },
            Window::Tumble { size: HOUR / 2, offset: 0 },
            Window::Hop { size: 3 * HOUR, slide: HOUR, offset: 0 },
            Window::Hop { size: 36 * HOUR, slide: 12 * HOUR, offset: HOUR },
            Window::Cumulate { step: HOUR / 4, size: 4 * HOUR, offset: 0 },
        ];
        for (name, around) in [
            ("Europe/Berlin", 1_711_846_800_000),
            ("Europe/Berlin", 1_729_990_800_000),
            ("America/Sao_Paulo", 1_541_300_400_000),
            ("Australia/Lord_Howe", 1_712_415_600_000),
            ("Pacific/Apia", 1_325_239_200_000),
        ] {
            let zone = Zone::of(name).unwrap();
            for window in windows {
                let mut known = std::collections::BTreeMap::new();
                for instant in (-300..300).map(|step| around + step * HOUR / 6 + 7) {
                    let local = zone.local(instant);
                    let found: Vec<(i64, i64)> = window.over_in(instant, zone).collect();
                    assert!(found.iter().all(|(start, end)| *start <= instant && instant < *end), "{name} {window:?}");
                    assert!(found.windows(2).all(|two| two[0] != two[1]));
                    // A window that clocks show is one, whenever they show it; several may be one where they are put forward.
                    let shown: Vec<(i64, i64)> = window.over(local).collect();
                    let merged = matches!(window, Window::Cumulate { .. });
                    assert!(found.len() == shown.len() || merged, "{name} {window:?} at {instant}");
                    if found.len() == shown.len() {
                        for (shown, found) in shown.into_iter().zip(found) {
                            assert_eq!(*known.entry(shown).or_insert(found), found, "{name} {window:?} at {instant}");
                            assert!(zone.local(found.0) >= shown.0 && zone.local(found.1 - 1) < shown.1);
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn windows_are_those_of_the_definition() {
        let windows = [
            Window::Tumble { size: 10, offset: 3 },
            Window::Hop { size: 10, slide: 4, offset: -1 },
            Window::Hop { size: 3, slide: 7, offset: 2 },
            Window::Hop { size: 12, slide: 3, offset: 0 },
            Window::Cumulate { step: 5, size: 20, offset: 1 },
        ];
        for window in windows {
            for time in -50..50 {
                let expected: Vec<(i64, i64)> = match window {
                    Window::Tumble { size, offset } => {
                        (-20..20).map(|k| (offset + k * size, offset + (k + 1) * size)).collect::<Vec<_>>()
                    }
                    Window::Hop { size, slide, offset } => {
                        (-60..60).map(|k| (offset + k * slide, offset + k * slide + size)).collect()
                    }
                    Window::Cumulate { step, size, offset } => {
                        let cycles = (-20..20).map(|k| offset + k * size);
                        cycles.flat_map(|c| (1..=size / step).map(move |n| (c, c + n * step))).collect()
                    }
                }
                .into_iter()
                .filter(|(start, end)| *start <= time && time < *end)
                .collect();
                assert_eq!(window.over(time).collect::<Vec<_>>(), expected, "{window:?} at {time}");
                assert_eq!(window.over(window.slice_start(time)).collect::<Vec<_>>(), expected);
                for now in time - 30..time + 30 {
                    let first = expected.iter().find(|(_, end)| *end > now).copied();
                    assert_eq!(window.first_open(time, |end| end <= now), first);
                }
                if let Some((_, end)) = expected.last() {
                    assert_eq!(window.last_end(window.slice_start(time)), *end);
                }
            }
        }
    }

    #[test]
    fn extreme_times_saturate() {
        for time in [i64::MIN, i64::MIN + 1, i64::MAX - 1, i64::MAX] {
            for window in [Window::Tumble { size: 1000, offset: 7 }, Window::Hop { size: 1000, slide: 100, offset: -7 }]
            {
                assert!(window.over(time).all(|(start, end)| start <= end));
            }
        }
    }
}
