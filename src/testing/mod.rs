//! Testing a program: its sources are fed by hand, its clock is moved by hand, and what its views and sinks come to is compared
//! with tables.
//!
//! [`TestDriver`] runs the program as it is, on the engine as it is; only the ends are others. Every source is pushed to (or read
//! as declared, if the test says so), sinks are looked at instead of written, and nothing goes by the wall clock: idleness, the
//! future guard, `'watermark.idle' = 'clock'` and `PROCTIME()` go by the driver's clock, which stands still until it is moved.
//! [`TestDriver::settle`], and every look, waits until all that was pushed has gone through: what is found depends on the script
//! alone, at any number of workers.
//!
//! [`Script`] is the same for SQL by itself: steps in the comments of a program, run by `highwater test`.
//!
//! ```
//! use highwater::testing::TestDriver;
//!
//! # fn main() -> Result<(), highwater::testing::TestError> {
//! let mut driver = TestDriver::new(
//!     "CREATE SOURCE clicks (page VARCHAR, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND)
//!      WITH ('connector' = 'http');
//!      CREATE MATERIALIZED VIEW pages AS
//!      SELECT page, window_end, COUNT(*) AS views
//!      FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
//!      GROUP BY page, window_start, window_end;",
//! )?;
//! driver.push_json("clicks", r#"{"page": "/", "ts": "2026-01-01 12:00:01"} {"page": "/", "ts": "2026-01-01 12:00:40"}"#)?;
//! driver.expect("pages", "page | window_end | views")?; // the window is open
//! driver.push_table("clicks", "page | ts\n /buy | 2026-01-01 12:01:05")?;
//! driver.expect(
//!     "pages",
//!     "page | window_end          | views
//!      /    | 2026-01-01 12:01:00 | 2",
//! )
//! # }
//! ```

mod cells;
pub mod conformance;
mod driver;
mod error;
mod folder;
mod look;
mod push;
mod pushed;
mod script;
mod setup;
mod table;
#[cfg(test)]
mod tests;

pub use driver::TestDriver;
pub use error::TestError;
pub use script::{Failure, Report, STEPS, Script, ScriptError, Way};
pub use setup::Setup;
pub use table::{Difference, Table};
