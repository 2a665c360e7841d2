//! How far back a log is kept: pure functions of its segments, for [`Log::retain`](crate::Log::retain).

use crate::Lsn;

/// A segment that is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Its first frame.
    pub first: Lsn,
    /// What it takes on the disk.
    pub bytes: u64,
    /// When it was begun, in ms since 1970.
    pub created_ms: i64,
}

/// From where on to keep the newest segments that together take at most `bytes`, and the newest in any case.
pub fn keep_bytes(segments: &[Kept], bytes: u64) -> Lsn {
    let mut sum = 0_u64;
    let fits = |segment: &&Kept| {
        sum = sum.saturating_add(segment.bytes);
        sum <= bytes
    };
    let kept = segments.iter().rev().take_while(fits).last();
    kept.or(segments.last()).map_or(Lsn(0), |segment| segment.first)
}

/// From where on to keep all that is not older than `age_ms`. A segment's newest frame is as old as the next segment.
pub fn keep_age(segments: &[Kept], now_ms: i64, age_ms: i64) -> Lsn {
    let oldest = now_ms.saturating_sub(age_ms);
    let kept = segments.windows(2).find(|pair| pair[1].created_ms >= oldest).map(|pair| pair[0]);
    kept.or(segments.last().copied()).map_or(Lsn(0), |segment| segment.first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_and_age_keep_whole_segments_and_always_the_newest() {
        let kept = |first, created_ms| Kept { first: Lsn(first), bytes: 10, created_ms };
        let segments = [kept(0, 100), kept(5, 200), kept(9, 300)];
        for (bytes, from) in [(0, 9), (9, 9), (10, 9), (19, 9), (20, 5), (29, 5), (30, 0), (99, 0)] {
            assert_eq!(keep_bytes(&segments, bytes), Lsn(from), "{bytes} bytes");
        }
        // The segment from 100 has frames up to 200.
        for (age, from) in [(0, 9), (49, 9), (50, 5), (149, 5), (150, 0), (1000, 0), (i64::MAX, 0)] {
            assert_eq!(keep_age(&segments, 350, age), Lsn(from), "{age} ms");
        }
        assert_eq!((keep_bytes(&[], 0), keep_age(&[], 0, 0)), (Lsn(0), Lsn(0)));
    }
}
