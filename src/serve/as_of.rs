//! How far an answer is: all changes before this epoch are in it, none after.

use serde::Serialize;

use highwater_core::time::{Epoch, format_time_ms};

/// An epoch as the API shows it.
#[derive(Serialize, Clone, Debug)]
pub(super) struct AsOf {
    /// RFC 3339; `-infinity` before the first event time, `infinity` once nothing can come any more.
    watermark: String,
    /// The same in ms since 1970; null for the infinities.
    watermark_ms: Option<i64>,
    /// The epoch: text that sorts as epochs do.
    epoch: String,
}

impl From<Epoch> for AsOf {
    fn from(epoch: Epoch) -> AsOf {
        let finite = epoch.watermark != i64::MIN && epoch.watermark != i64::MAX;
        AsOf {
            watermark: format_time_ms(epoch.watermark),
            watermark_ms: finite.then_some(epoch.watermark),
            epoch: epoch.to_string(),
        }
    }
}
