//! Highwater: a streaming analytics engine, as a library and in one binary. SQL dataflows over event time, incremental on timely
//! dataflow, served live.
//!
//! ```
//! use highwater::{Drain, Highwater};
//!
//! #[derive(serde::Serialize)]
//! struct Bid {
//!     auction: u32,
//!     price: f64,
//! }
//!
//! #[derive(Debug, PartialEq, serde::Deserialize)]
//! struct Total {
//!     auction: u32,
//!     bids: u64,
//! }
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let highwater = Highwater::builder()
//!         .sql(
//!             "CREATE SOURCE bids (auction INT, price DOUBLE) WITH ('connector' = 'http');
//!              CREATE MATERIALIZED VIEW totals AS SELECT auction, COUNT(*) AS bids FROM bids GROUP BY auction;",
//!         )
//!         .start()?;
//!     let pushed = highwater.source("bids")?.push_rows([Bid { auction: 1, price: 2.5 }])?;
//!     highwater.visible_blocking(&pushed)?;
//!     assert_eq!(highwater.view("totals")?.rows::<Total>()?, [Total { auction: 1, bids: 1 }]);
//!     highwater.shutdown_blocking(Drain::Yes)?;
//!     Ok(())
//! }
//! ```
//!
//! [`embed`] is the front door of programs: sources that take rows, views as rows, JSON, Arrow and streams of changes. [`extend`] is what
//! functions, connectors and formats of their own are made of, [`testing`] runs a program with its time moved by hand. `docs/embedding.md` goes on from
//! there. [`sql`], [`engine`], [`view`] and [`time`] are what lies behind the front door, [`serve`] and [`cli`] what the binary is made of;
//! all other rooms are private. `tests/public.txt` lists what is public.
//!
//! Features bring what costs to build: `gzip`, `msgpack`, `parquet`, and `serve` and `cli` what the binary is made of. By default all of these are
//! there; with `default-features = false` it is SQL and the engine, and all that is shown here works the same.
//!
//! The rooms, floor by floor: those up to the engine stand in `crates/core`, [`sql`] in `crates/sql`, the log in `crates/log`. A room imports only from lower floors; `tests/architecture.rs` reads this table.
//!
//! | floor | rooms |
//! | --- | --- |
//! | 0 | time metrics type_names guard counted registered values log |
//! | 1 | options delta retry otlp |
//! | 2 | aggregate expression format kept operator |
//! | 3 | pattern window reduce session join rank table source sink |
//! | 4 | differential |
//! | 5 | plan |
//! | 6 | sql view |
//! | 7 | engine |
//! | 8 | serve embed extend testing |
//! | 9 | cli |
//!
//! The life of an event: a `source` reader decodes it, the source's edge gives it an epoch or rejects it as late, a
//! bounded queue hands it to a worker of the `engine`, the operators of the `plan` (`window`, `reduce`,
//! `session`, `join`, `rank`, `pattern`, `differential`) turn it into changes, and those go, whole epochs at a time, to the `view`s and the `sink`s, from
//! where `serve` shows them.

#![forbid(unsafe_code)]

pub use highwater_core::{engine, time, view};
pub use highwater_sql as sql;
/// What of other crates stands in signatures here, of the versions that they are of.
pub use {
    arrow_array, arrow_schema,
    highwater_core::{differential_dataflow, timely},
    highwater_sql::{datafusion_common, datafusion_expr},
};

use highwater_core::{aggregate, delta, format, options, plan, sink, source, table, values};

#[cfg(feature = "cli")]
pub mod cli;
pub mod embed;
pub mod extend;
#[cfg(feature = "serve")]
pub mod serve;
pub mod testing;

pub use embed::{Drain, Highwater};
