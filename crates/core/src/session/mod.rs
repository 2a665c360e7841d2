//! Sessions: windows that grow with the rows that fall in them.
//!
//! A row opens `[ts, ts + gap)`; windows of one key that overlap or touch are one (S1), so `window_end` is the last row's
//! time plus the gap (S2), whatever the order of arrival (S5). A session closes when `W >= window_end` (S4). A row at
//! `window_end` itself is then still on time and of the session: it amends it, so a session is kept until
//! `W > window_end + lateness`. Where nothing may be taken back, [`Hold`] holds what closed until that row can no longer come.

mod due;
mod hold;
mod open;
mod points;

pub use hold::Hold;
pub use open::Sessions;
pub use points::PointSessions;
