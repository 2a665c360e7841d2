//! `nexmark`: the events of an online auction, as the Nexmark benchmark defines them: persons, auctions and bids, by
//! default 1 : 3 : 46 of 50. Deterministic by `seed`; bounded if `events.num` is given.
//!
//! `'table' = 'person' | 'auction' | 'bid'` gives one kind as a flat table and makes only that; without it the nested
//! table has a row an event. The same event has the same content in both.

mod columns;
mod generator;

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, Int32Array, RecordBatch, StructArray, UInt32Array};
use arrow_buffer::NullBuffer;
use arrow_schema::{DataType, Field, FieldRef, SchemaRef};

use self::columns::{Column, MS};
use self::generator::{Generator, Kind, Rows};
use super::generated::{self, Turn, Turns, check_options};
use super::{Connector, Read, Reader, Replay, SourceError, SourceSpec, SplitId, Start};
use crate::options::{OptionError, OptionSpec, Options};
use crate::type_names::sql_type;

/// The connector `nexmark`.
#[derive(Debug)]
pub(super) struct Nexmark;

const OPTIONS: &[OptionSpec] = &[
    OptionSpec { name: "table", help: "person, auction or bid: one kind as a flat table (default: all kinds, nested)" },
    OptionSpec { name: "events.num", help: "how many events of all kinds there are (default: events keep coming)" },
    OptionSpec {
        name: "first-event.rate",
        help: "events a second, of event time and, if live, of the clock (default 10000)",
    },
    OptionSpec { name: "next-event.rate", help: "the same as first-event.rate: the rate does not change" },
    OptionSpec { name: "tps", help: "another name of first-event.rate" },
    OptionSpec { name: "seed", help: "another seed gives other events (default 0)" },
    OptionSpec { name: "start", help: "event time of the first event if bounded (default 2026-01-01T00:00:00Z)" },
    OptionSpec { name: "partitions", help: "how many threads make events (default 1)" },
    OptionSpec { name: "person.proportion", help: "persons among proportions (default 1)" },
    OptionSpec { name: "auction.proportion", help: "auctions among proportions (default 3)" },
    OptionSpec { name: "bid.proportion", help: "bids among proportions (default 46)" },
    OptionSpec { name: "person.avg-size", help: "average size of a person in bytes (default 200)" },
    OptionSpec { name: "auction.avg-size", help: "average size of an auction in bytes (default 500)" },
    OptionSpec { name: "bid.avg-size", help: "average size of a bid in bytes (default 100)" },
    OptionSpec {
        name: "bid.hot-ratio.auctions",
        help: "all but one in this many bids go to a hot auction (default 2)",
    },
    OptionSpec {
        name: "bid.hot-ratio.bidders",
        help: "all but one in this many bids come from a hot bidder (default 4)",
    },
    OptionSpec {
        name: "auction.hot-ratio.sellers",
        help: "all but one in this many auctions are of a hot seller (default 4)",
    },
    OptionSpec {
        name: "out-of-order.group-size",
        help: "event times are shuffled within groups of so many (default 1: in order)",
    },
];

impl Connector for Nexmark {
    fn name(&self) -> &'static str {
        "nexmark"
    }

    fn help(&self) -> &'static str {
        "generates the persons, auctions and bids of the Nexmark benchmark"
    }

    fn options(&self) -> &'static [OptionSpec] {
        OPTIONS
    }

    fn default_columns(&self, options: &Options) -> Option<Vec<FieldRef>> {
        Some(match table(options).ok()? {
            Some(kind) => columns::of(kind).iter().map(Column::field).collect(),
            None => nested().iter().map(|(name, kind)| Arc::new(Field::new(*name, kind.clone(), true))).collect(),
        })
    }

    fn live(&self, options: &Options) -> bool {
        options.get("events.num").is_none()
    }

    fn check(&self, spec: &SourceSpec) -> Result<(), SourceError> {
        check_options(spec, OPTIONS)?;
        Generator::new(&spec.options)?;
        partitions(&spec.options)?;
        Plan::new(spec).map(drop)
    }

    fn replay(&self) -> Replay {
        Replay::Seek
    }

    fn splits(&self, spec: &SourceSpec) -> Result<Vec<SplitId>, SourceError> {
        Ok(generated::splits(partitions(&spec.options)?))
    }

    fn open(&self, spec: &SourceSpec, splits: &[(SplitId, Start)]) -> Result<Vec<Box<dyn Reader>>, SourceError> {
        self.check(spec)?;
        let mut generator = Generator::new(&spec.options)?;
        // All partitions of a live one began at the same time.
        let began = splits.iter().find_map(|(_, start)| generated::began_ms(&start.position()));
        if let (None, Some(began)) = (generator.events, began) {
            generator.start_ms = began;
        }
        let generator = Arc::new(generator);
        let partitions = partitions(&spec.options)?;
        let reader = |(split, start): &(SplitId, Start)| -> Result<Box<dyn Reader>, SourceError> {
            let partition = generated::number(spec, split, partitions)?;
            let rate = generator.rate as f64;
            let turns = Turns::new(generator.events, rate, partition, partitions, generator.start_ms);
            let turns = turns.behind(&start.position()).map_err(|what| generated::refused(spec, what))?;
            let name = if partitions == 1 { "nexmark".to_owned() } else { format!("nexmark-{partition}") };
            Ok(Box::new(NexmarkReader { name, generator: generator.clone(), plan: Plan::new(spec)?, turns }))
        };
        splits.iter().map(reader).collect()
    }
}

fn table(options: &Options) -> Result<Option<Kind>, OptionError> {
    options.one_of("table", &[("person", Kind::Person), ("auction", Kind::Auction), ("bid", Kind::Bid)])
}

/// Threads that generate.
pub(super) fn partitions(options: &Options) -> Result<u64, OptionError> {
    match options.parse::<u64>("partitions", "a number of threads")?.unwrap_or(1) {
        count @ 1..=256 => Ok(count),
        count => Err(OptionError::Invalid {
            name: "partitions".to_owned(),
            value: count.to_string(),
            reason: "write a number from 1 to 256".to_owned(),
        }),
    }
}

/// The columns of the nested table.
fn nested() -> [(&'static str, DataType); 5] {
    let row = |kind| DataType::Struct(columns::of(kind).iter().map(Column::field).collect());
    [
        ("event_type", DataType::Int32),
        ("person", row(Kind::Person)),
        ("auction", row(Kind::Auction)),
        ("bid", row(Kind::Bid)),
        ("dateTime", MS),
    ]
}

/// What is made for each wanted column.
enum Wanted {
    Flat(&'static Column),
    EventType,
    Time,
    Row(Kind, FieldRef, Vec<&'static Column>),
}

struct Plan {
    /// Only events of this kind are rows.
    only: Option<Kind>,
    wanted: Vec<Wanted>,
    schema: SchemaRef,
}

impl Plan {
    fn new(spec: &SourceSpec) -> Result<Plan, SourceError> {
        let only = table(&spec.options)?;
        let wanted = |&column: &usize| {
            want(only, &spec.physical.fields()[column]).map_err(|(what, remedy)| SourceError::Schema {
                source_name: spec.name.clone(),
                what,
                remedy,
            })
        };
        // Every declared column is checked, also those that nothing reads.
        (0..spec.physical.fields().len()).try_for_each(|column| wanted(&column).map(drop))?;
        let fields: Vec<_> = spec.decode.iter().map(|&column| spec.physical.fields()[column].clone()).collect();
        Ok(Plan {
            only,
            wanted: spec.decode.iter().map(wanted).collect::<Result<_, _>>()?,
            schema: Arc::new(arrow_schema::Schema::new(fields)),
        })
    }

    fn batch(&self, generator: &Generator, events: std::ops::Range<u64>) -> RecordBatch {
        let rows = Rows::new(generator, events, self.only);
        let column = |wanted: &Wanted| -> ArrayRef {
            match wanted {
                Wanted::Flat(column) => (column.make)(generator, &rows),
                Wanted::EventType => Arc::new(rows.kinds.iter().map(|kind| Some(*kind as i32)).collect::<Int32Array>()),
                Wanted::Time => columns::times(&rows.times),
                Wanted::Row(kind, field, members) => {
                    let (part, places) = rows.of_kind(*kind);
                    nest(field, members.iter().map(|member| (member.make)(generator, &part)).collect(), &places)
                }
            }
        };
        let columns: Vec<ArrayRef> = self.wanted.iter().map(column).collect();
        let options = arrow_array::RecordBatchOptions::new().with_row_count(Some(rows.events.len()));
        match RecordBatch::try_new_with_options(self.schema.clone(), columns, &options) {
            Ok(batch) => batch,
            Err(error) => unreachable!("the types were checked: {error}"),
        }
    }
}

/// What is made for a declared column, or what is wrong with it and what would do.
fn want(only: Option<Kind>, field: &FieldRef) -> Result<Wanted, (String, String)> {
    let unknown = |known: String| (format!("nexmark has no column '{}'", field.name()), format!("it has {known}"));
    let wrong = |kind: &DataType| {
        let what =
            format!("nexmark's column '{}' is {}, not {}", field.name(), sql_type(kind), sql_type(field.data_type()));
        (what, "declare it so, or declare no columns at all".to_owned())
    };
    let find = |kind: Kind, name: &str| columns::of(kind).iter().find(|column| column.name.eq_ignore_ascii_case(name));
    if let Some(kind) = only {
        let names = || columns::of(kind).iter().map(|column| column.name).collect::<Vec<_>>().join(", ");
        let column = find(kind, field.name()).ok_or_else(|| unknown(names()))?;
        return if column.kind == *field.data_type() { Ok(Wanted::Flat(column)) } else { Err(wrong(&column.kind)) };
    }
    let all = nested();
    let Some((name, kind)) = all.iter().find(|(name, _)| name.eq_ignore_ascii_case(field.name())) else {
        return Err(unknown(all.map(|(name, _)| name).join(", ")));
    };
    let row = match *name {
        "event_type" if *kind == *field.data_type() => return Ok(Wanted::EventType),
        "dateTime" if *kind == *field.data_type() => return Ok(Wanted::Time),
        "person" => Kind::Person,
        "auction" => Kind::Auction,
        "bid" => Kind::Bid,
        _ => return Err(wrong(kind)),
    };
    let DataType::Struct(members) = field.data_type() else { return Err(wrong(kind)) };
    let member = |member: &FieldRef| {
        find(row, member.name()).filter(|column| column.kind == *member.data_type()).ok_or_else(|| wrong(kind))
    };
    Ok(Wanted::Row(row, field.clone(), members.iter().map(member).collect::<Result<_, _>>()?))
}

/// Members of some rows as a nested column of all: the others are NULL.
fn nest(field: &FieldRef, members: Vec<ArrayRef>, places: &UInt32Array) -> ArrayRef {
    let DataType::Struct(fields) = field.data_type() else { unreachable!("checked to be a row") };
    let spread = |member: &ArrayRef| match arrow_select::take::take(member, places, None) {
        Ok(column) => column,
        Err(error) => unreachable!("places are within the members: {error}"),
    };
    let valid = places.nulls().cloned().unwrap_or_else(|| NullBuffer::new_valid(places.len()));
    let columns = members.iter().map(spread).collect();
    match StructArray::try_new_with_length(fields.clone(), columns, Some(valid), places.len()) {
        Ok(column) => Arc::new(column),
        Err(error) => unreachable!("members were made by the fields: {error}"),
    }
}

/// One partition.
struct NexmarkReader {
    name: String,
    generator: Arc<Generator>,
    plan: Plan,
    turns: Turns,
}

impl Reader for NexmarkReader {
    fn name(&self) -> &str {
        &self.name
    }

    fn read(&mut self) -> Result<Read, SourceError> {
        loop {
            match self.turns.next() {
                Turn::End => return Ok(Read::End),
                Turn::Wait(pause) => return Ok(Read::Wait(pause)),
                Turn::Rows(events) => {
                    let batch = self.plan.batch(&self.generator, events);
                    if batch.num_rows() == 0 {
                        continue;
                    }
                    return Ok(Read::Rows(self.turns.decoded(batch)));
                }
            }
        }
    }
}
