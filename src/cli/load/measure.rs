//! Latencies of a run: every one is kept (4 bytes each), so percentiles are exact. Microseconds inside, ms outside.

use serde::Serialize;

/// Latencies as they come.
#[derive(Clone, Debug, Default)]
pub(super) struct Latencies(Vec<u32>);

/// What is told of them, in ms.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Summary {
    pub(super) count: usize,
    pub(super) min_ms: f64,
    pub(super) avg_ms: f64,
    pub(super) p50_ms: f64,
    pub(super) p95_ms: f64,
    pub(super) p99_ms: f64,
    pub(super) p999_ms: f64,
    pub(super) max_ms: f64,
}

impl Latencies {
    /// None yet; the memory for so many is there.
    pub(super) fn with_room(count: usize) -> Latencies {
        let mut room = vec![1; count];
        room.clear();
        Latencies(room)
    }

    /// One more, in seconds.
    pub(super) fn add(&mut self, seconds: f64) {
        self.0.push((seconds.max(0.0) * 1e6).round().min(f64::from(u32::MAX)) as u32);
    }

    /// Those of another as well.
    pub(super) fn extend(&mut self, other: Latencies) {
        self.0.extend(other.0);
    }

    /// All of them; `None` if there are none.
    pub(super) fn summary(&self) -> Option<Summary> {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let (&min, &max) = (sorted.first()?, sorted.last()?);
        let ms = |micros: u32| f64::from(micros) / 1000.0;
        // The least value that so large a share is not above.
        let at = |share: f64| ms(sorted[((share * sorted.len() as f64).ceil() as usize).clamp(1, sorted.len()) - 1]);
        let sum: u64 = sorted.iter().map(|&micros| u64::from(micros)).sum();
        Some(Summary {
            count: sorted.len(),
            min_ms: ms(min),
            avg_ms: (sum as f64 / sorted.len() as f64).round() / 1000.0,
            p50_ms: at(0.5),
            p95_ms: at(0.95),
            p99_ms: at(0.99),
            p999_ms: at(0.999),
            max_ms: ms(max),
        })
    }
}

impl std::fmt::Display for Summary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Summary { min_ms, avg_ms, p50_ms, p95_ms, p99_ms, p999_ms, max_ms, .. } = self;
        write!(
            f,
            "min {min_ms:.1}  avg {avg_ms:.1}  p50 {p50_ms:.1}  p95 {p95_ms:.1}  p99 {p99_ms:.1}  p99.9 {p999_ms:.1}  max {max_ms:.1} ms"
        )
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_exact() {
        let mut latencies = Latencies::default();
        assert_eq!(latencies.summary(), None);
        for ms in (1..=1000).rev() {
            latencies.add(f64::from(ms) / 1000.0);
        }
        let all = latencies.summary().unwrap();
        assert_eq!((all.count, all.min_ms, all.max_ms, all.avg_ms), (1000, 1.0, 1000.0, 500.5));
        assert_eq!((all.p50_ms, all.p95_ms, all.p99_ms, all.p999_ms), (500.0, 950.0, 990.0, 999.0));
        let mut one = Latencies::default();
        one.add(0.002);
        let one = one.summary().unwrap();
        assert_eq!((one.p50_ms, one.p999_ms), (2.0, 2.0));
    }
}
