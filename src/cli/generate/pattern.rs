//! How the rate changes: when row `n` is due. A pattern is a factor for each second of a period, so that both ways (rows by
//! a time, the time of a row) are sums and a search. Times in seconds since the start.

use clap::ValueEnum;

/// How the rate changes as time goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Pattern {
    /// The same all the time
    Steady,
    /// From nothing to the full rate in 5 minutes
    Ramp,
    /// Five times the rate in the last 10 s of every minute
    Spike,
    /// Half the rate more, then half of it less, every 300 s
    Wave,
}

/// When rows are due.
#[derive(Debug)]
pub(in crate::cli) struct Schedule {
    rate: f64,
    /// Factors of the seconds of a period, and their sums before each (one more than there are seconds).
    factors: Vec<f64>,
    sums: Vec<f64>,
    /// Whether the period begins again; otherwise the factor is 1 after it.
    repeats: bool,
}

impl Schedule {
    /// Of a pattern around `rate` rows a second.
    pub(in crate::cli) fn new(pattern: Pattern, rate: f64) -> Schedule {
        let (factors, repeats): (Vec<f64>, bool) = match pattern {
            Pattern::Steady => (vec![1.0], true),
            Pattern::Ramp => ((0..300).map(|second| (f64::from(second) + 0.5) / 300.0).collect(), false),
            Pattern::Spike => ((0..60).map(|second| if second < 50 { 1.0 } else { 5.0 }).collect(), true),
            Pattern::Wave => {
                ((0..300).map(|second| 1.0 + 0.5 * wave((f64::from(second) + 0.5) / 300.0)).collect(), true)
            }
        };
        let mut sums = vec![0.0];
        for factor in &factors {
            sums.push(sums[sums.len() - 1] + factor);
        }
        Schedule { rate, factors, sums, repeats }
    }

    /// When row `n` is due.
    pub(in crate::cli) fn time_of(&self, n: u64) -> f64 {
        let due = n as f64 / self.rate;
        let (period, total) = (self.factors.len() as f64, self.sums[self.factors.len()]);
        let (turns, rest) = match self.repeats {
            true => ((due / total).floor(), due % total),
            false if due >= total => return period + (due - total),
            false => (0.0, due),
        };
        let second = self.sums.partition_point(|sum| *sum <= rest).clamp(1, self.factors.len()) - 1;
        turns * period + second as f64 + (rest - self.sums[second]) / self.factors[second]
    }

    /// How many rows are due before a time.
    pub(in crate::cli) fn rows_by(&self, seconds: f64) -> u64 {
        let (period, total) = (self.factors.len() as f64, self.sums[self.factors.len()]);
        let (turns, rest) = match self.repeats {
            true => ((seconds / period).floor(), seconds % period),
            false if seconds >= period => return ((total + seconds - period) * self.rate).ceil() as u64,
            false => (0.0, seconds),
        };
        let second = (rest as usize).min(self.factors.len() - 1);
        let sum = turns * total + self.sums[second] + (rest - second as f64) * self.factors[second];
        (sum * self.rate).ceil() as u64
    }
}

/// A wave of period 1 between -1 and 1, of parabolas: the same bits on every machine.
fn wave(at: f64) -> f64 {
    let half = (at * 2.0) % 1.0;
    let arc = 4.0 * half * (1.0 - half);
    if at % 1.0 < 0.5 { arc } else { -arc }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(pattern: Pattern, from: f64, to: f64) -> f64 {
        let schedule = Schedule::new(pattern, 1000.0);
        (schedule.rows_by(to) - schedule.rows_by(from)) as f64
    }

    #[test]
    fn rates_are_those_of_the_pattern() {
        let near =
            |found: f64, wanted: f64| assert!((found - wanted).abs() <= wanted / 100.0 + 2.0, "{found} {wanted}");
        near(rows(Pattern::Steady, 10.0, 70.0), 60_000.0);
        near(rows(Pattern::Ramp, 0.0, 300.0), 150_000.0);
        near(rows(Pattern::Ramp, 149.0, 151.0), 1_000.0);
        near(rows(Pattern::Ramp, 400.0, 500.0), 100_000.0);
        near(rows(Pattern::Spike, 0.0, 50.0), 50_000.0);
        near(rows(Pattern::Spike, 110.0, 120.0), 50_000.0);
        near(rows(Pattern::Wave, 0.0, 300.0), 300_000.0);
        near(rows(Pattern::Wave, 300.0, 450.0), 200_000.0);
        near(rows(Pattern::Wave, 74.0, 76.0), 3_000.0);
        near(rows(Pattern::Wave, 224.0, 226.0), 1_000.0);
    }

    #[test]
    fn both_ways_agree_and_time_goes_forward() {
        for pattern in [Pattern::Steady, Pattern::Ramp, Pattern::Spike, Pattern::Wave] {
            let schedule = Schedule::new(pattern, 37.0);
            let mut before = 0.0;
            for n in (0..60_000).step_by(7) {
                let time = schedule.time_of(n);
                assert!(time >= before, "{pattern:?} {n}");
                let due = schedule.rows_by(time);
                assert!(due.abs_diff(n) <= 1, "{pattern:?} {n} {time} {due}");
                before = time;
            }
        }
    }
}
