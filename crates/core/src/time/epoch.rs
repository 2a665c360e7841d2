//! The timestamp of every dataflow: the watermark, then a tick. Ordered lexicographically, so totally.

use serde::{Deserialize, Serialize};

/// A logical time of the dataflow: every update carries one, and a frontier of epochs *is* the watermark.
///
/// All data of an epoch is known once the frontier passed it. The epoch's data was sent while its source's watermark
/// was `watermark`; `tick` tells apart the steps between two moves of the watermark.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Epoch {
    /// The watermark in ms since 1970; `i64::MIN` is "no watermark yet", `i64::MAX` "nothing can come any more".
    pub watermark: i64,
    /// The step within this watermark.
    pub tick: u64,
}

impl Epoch {
    /// The first epoch: no watermark yet.
    pub const MIN: Epoch = Epoch { watermark: i64::MIN, tick: 0 };
    /// The last epoch: where everything closes at the end of input.
    pub const MAX: Epoch = Epoch { watermark: i64::MAX, tick: 0 };
    /// Behind every epoch that holds data: where the frontier stands when nothing can come any more.
    pub const END: Epoch = Epoch { watermark: i64::MAX, tick: u64::MAX };

    /// The epoch that begins when the watermark reaches `watermark_ms`.
    pub const fn at(watermark_ms: i64) -> Epoch {
        Epoch { watermark: watermark_ms, tick: 0 }
    }
}

impl Default for Epoch {
    fn default() -> Self {
        Epoch::MIN
    }
}

/// Fixed-width text that sorts as epochs do: 16 hexadecimal digits of the watermark (sign bit flipped), `-`, the tick.
///
/// ```
/// use highwater_core::time::Epoch;
/// let (a, b) = (Epoch { watermark: -1, tick: 7 }, Epoch::at(0));
/// assert!(a < b && a.to_string() < b.to_string());
/// assert_eq!(b.to_string().parse::<Epoch>(), Ok(b));
/// ```
impl std::fmt::Display for Epoch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:016x}-{:010x}", (self.watermark as u64) ^ (1 << 63), self.tick)
    }
}

impl std::str::FromStr for Epoch {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refuse = || format!("'{text}' is not an epoch (16 hexadecimal digits, '-', the tick in hexadecimal)");
        let (watermark, tick) = text.split_once('-').ok_or_else(refuse)?;
        let watermark = u64::from_str_radix(watermark, 16).map_err(|_| refuse())?;
        let tick = u64::from_str_radix(tick, 16).map_err(|_| refuse())?;
        Ok(Epoch { watermark: (watermark ^ (1 << 63)) as i64, tick })
    }
}
