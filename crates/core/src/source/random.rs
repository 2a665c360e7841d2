//! Random numbers for generators: splitmix64, addressed by position instead of by state.
//!
//! The `n`-th number of a stream is `mix(key + n * GAMMA)`: what splitmix64 seeded with `key` gives as its `n`-th output.
//! So every row is a function of the seed and its number, and rows can be made in any order and on any thread.

/// splitmix64's increment: 2^64 divided by the golden ratio, odd.
const GAMMA: u64 = 0x9E37_79B9_7F4A_7C15;

/// splitmix64's output function: a bijection in which every input bit touches every output bit.
#[inline(always)]
fn mix(z: u64) -> u64 {
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// A stream of random numbers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stream(u64);

impl Stream {
    /// The stream of a name under a seed; different names give unrelated streams.
    pub(super) fn new(seed: u64, name: &str) -> Stream {
        Stream(
            name.bytes()
                .fold(mix(seed.wrapping_add(GAMMA)), |key, byte| mix((key ^ u64::from(byte)).wrapping_add(GAMMA))),
        )
    }

    /// The `n`-th number: 64 random bits.
    #[inline(always)]
    pub(super) fn at(self, n: u64) -> u64 {
        mix(self.0.wrapping_add(n.wrapping_mul(GAMMA)))
    }

    /// The `n`-th number below `bound` (not 0), uniform up to 2^-64 * `bound`.
    #[inline(always)]
    pub(super) fn below(self, n: u64, bound: u64) -> u64 {
        below(self.at(n), bound)
    }

    /// The `n`-th number in `[0, 1)`.
    #[inline(always)]
    pub(super) fn unit(self, n: u64) -> f64 {
        unit(self.at(n))
    }

    /// The `n`-th number of about normal distribution (four uniform ones summed), mean 0, deviation 1.
    #[inline]
    pub(super) fn normal(self, n: u64) -> f64 {
        let bits = self.at(n);
        let sum = (0..4).map(|part| (bits >> (16 * part) & 0xFFFF) as f64).sum::<f64>() / 65_536.0;
        // Four uniforms have the deviation sqrt(4 / 12).
        (sum - 2.0) * 1.732_050_807_568_877_2
    }
}

/// Random bits as a number below `bound`.
#[inline(always)]
pub(super) fn below(bits: u64, bound: u64) -> u64 {
    ((u128::from(bits) * u128::from(bound)) >> 64) as u64
}

/// Random bits as a number in `[0, 1)`.
#[inline(always)]
pub(super) fn unit(bits: u64) -> f64 {
    (bits >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_splitmix64() {
        // The reference implementation seeded with 1234567.
        let stream = Stream(1_234_567);
        assert_eq!(
            [stream.at(1), stream.at(2), stream.at(3)],
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]
        );
    }

    #[test]
    fn numbers_are_spread() {
        let stream = Stream::new(7, "x");
        let rows = 100_000;
        let mean = |of: &dyn Fn(u64) -> f64| (0..rows).map(of).sum::<f64>() / rows as f64;
        assert!((mean(&|n| stream.unit(n)) - 0.5).abs() < 0.01);
        assert!(mean(&|n| stream.normal(n)).abs() < 0.02 && (mean(&|n| stream.normal(n).powi(2)) - 1.0).abs() < 0.02);
        assert!(
            (mean(&|n| stream.below(n, 10) as f64) - 4.5).abs() < 0.05 && (0..rows).all(|n| stream.below(n, 10) < 10)
        );
        assert_ne!(Stream::new(7, "x").at(0), Stream::new(7, "y").at(0));
    }
}
