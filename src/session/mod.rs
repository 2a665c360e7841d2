//! Sessions: windows that grow with the rows that fall in them.
//!
//! A row opens `[ts, ts + gap)`; windows of one key that overlap or touch are one (S1), so `window_end` is the last row's
//! time plus the gap (S2), whatever the order of arrival (S5). A row at `window_end` itself still belongs to the session:
//! on-time rows can change it until `W > window_end`, and that is when it closes.

mod due;
mod open;
mod points;

pub use open::Sessions;
pub use points::PointSessions;
