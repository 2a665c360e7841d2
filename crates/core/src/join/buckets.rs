//! Tables side by side in event time, for joins within an interval: `x(left) + a <= y(right) <= x(left) + b`.
//!
//! Time is cut into buckets of twice the interval or more, each with a table of its own. The rows of one side stand in the
//! bucket of their time; those of the other in every bucket that their partners may stand in, which are two at most. So
//! every pair meets in exactly one table, and a table is dropped whole when its last row has expired. The side that is
//! shown for its own sake is the one that is not repeated.

use std::collections::BTreeMap;

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMillisecondType;
use arrow_array::{RecordBatch, UInt32Array};
use arrow_schema::{DataType, Field, SchemaRef};

use super::output::MOST;
use super::{Join, Side, Table, TimeOrder};
use crate::aggregate::{numbers, numbers_of};
use crate::delta::{Delta, Rejects, Unfit};
use crate::operator::{Counted, Saved, Saving, Section, Stateful, both};
use crate::time::Epoch;

/// The shortest bucket, in ms: shorter ones cost more tables than they save steps.
const SHORTEST_MS: i64 = 1_000;

/// A join, cut into buckets if it is one within an interval; otherwise one table.
#[derive(Debug)]
pub struct Buckets {
    join: Join,
    schema: SchemaRef,
    inputs: [SchemaRef; 2],
    rejects: Rejects,
    band: Option<Band>,
    /// By bucket; without a band all rows are in bucket 0.
    tables: BTreeMap<i64, Table>,
}

/// An interval: a right row at `y` and a left row at `x` meet if `x + shift <= y <= x + shift + width`, all in ms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Band {
    columns: [usize; 2],
    shift: i64,
    width: i64,
    length: i64,
    repeated: Side,
}

impl Band {
    fn of(join: &Join) -> Option<Band> {
        let unmatched = Side::BOTH.map(|side| join.kind.unmatched(side) || join.kind.only() == Some(side));
        if unmatched == [true, true] || join.expiry.iter().any(Vec::is_empty) {
            return None;
        }
        let upper = |lower: &&TimeOrder| {
            let matches =
                |o: &&TimeOrder| o.side == Side::Right && (o.later, o.earlier) == (lower.earlier, lower.later);
            join.order.iter().find(matches).map(|upper| (**lower, *upper))
        };
        let (lower, upper) =
            join.order.iter().filter(|order| order.side == Side::Left).find_map(|order| upper(&order))?;
        let width = 0i64.checked_sub(upper.gap_ms)?.checked_sub(lower.gap_ms)?.max(0);
        let length = width.checked_mul(2)?.max(SHORTEST_MS);
        let repeated = if unmatched[0] { Side::Right } else { Side::Left };
        Some(Band { columns: [lower.earlier, lower.later], shift: lower.gap_ms, width, length, repeated })
    }

    /// The first and last bucket that a row of a side at `time` stands in.
    fn over(&self, side: Side, time: i64) -> (i64, i64) {
        let (first, last) = match (side, side == self.repeated) {
            (Side::Left, repeated) => {
                let first = time.saturating_add(self.shift);
                (first, if repeated { first.saturating_add(self.width) } else { first })
            }
            (Side::Right, repeated) => (if repeated { time.saturating_sub(self.width) } else { time }, time),
        };
        (first.div_euclid(self.length), last.div_euclid(self.length))
    }

    /// Each bucket's rows of a delta, by bucket.
    fn split(&self, side: Side, delta: &Delta, parts: &mut BTreeMap<i64, [Vec<Delta>; 2]>) {
        let times = delta.batch().column(self.columns[side as usize]).as_primitive::<TimestampMillisecondType>();
        let over = |time: Option<i64>| self.over(side, time.unwrap_or(i64::MIN));
        let buckets: Vec<(i64, i64)> = times.iter().map(over).collect();
        let Some(&(first, last)) = buckets.first() else { return };
        if buckets.iter().all(|&other| other == (first, last)) {
            (first..=last).for_each(|bucket| parts.entry(bucket).or_default()[side as usize].push(delta.clone()));
            return;
        }
        let mut rows: BTreeMap<i64, Vec<u32>> = BTreeMap::new();
        let mut at: Option<(i64, Vec<u32>)> = None;
        for (row, &(first, last)) in buckets.iter().enumerate() {
            for bucket in first..=last {
                // Neighbouring rows are mostly of one bucket: it is looked up when it changes.
                match &mut at {
                    Some((current, rows)) if *current == bucket => rows.push(row as u32),
                    _ => {
                        if let Some((bucket, before)) = at.take() {
                            rows.insert(bucket, before);
                        }
                        let mut of = rows.remove(&bucket).unwrap_or_default();
                        of.push(row as u32);
                        at = Some((bucket, of));
                    }
                }
            }
        }
        rows.extend(at);
        for (bucket, rows) in rows {
            let part = if rows.len() == delta.len() { delta.clone() } else { delta.take(&UInt32Array::from(rows)) };
            parts.entry(bucket).or_default()[side as usize].push(part);
        }
    }
}

impl Buckets {
    /// No rows yet. `schema` is that of the result.
    pub fn new(join: Join, schema: &SchemaRef, inputs: [&SchemaRef; 2], rejects: &Rejects) -> Buckets {
        let band = Band::of(&join);
        let (inputs, rejects) = (inputs.map(Clone::clone), rejects.clone());
        Buckets { band, join, schema: schema.clone(), inputs, rejects, tables: BTreeMap::new() }
    }

    /// Number of rows held.
    pub fn len(&self) -> usize {
        self.tables.values().map(Table::len).sum()
    }

    /// Whether no row is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn table(&mut self, bucket: i64) -> &mut Table {
        let Buckets { join, schema, inputs: [left, right], rejects, tables, .. } = self;
        tables.entry(bucket).or_insert_with(|| Table::new(join, schema, [left, right], rejects))
    }

    fn gather(&self, deltas: Vec<Delta>) -> Vec<Delta> {
        match deltas.iter().map(Delta::len).sum::<usize>() <= MOST && deltas.len() > 1 {
            true => vec![Delta::concat(&self.schema, &deltas)],
            false => deltas,
        }
    }
}

/// The rows of each side, each with how often it is there, its bucket, and how many partners it has: some of those may be
/// gone.
impl Saved for Buckets {
    fn sections(&self) -> Vec<Section> {
        let own = ["bucket", "partners"].map(|name| Field::new(name, DataType::Int64, false));
        let side = |side: Side| {
            let name = if side == Side::Left { "left" } else { "right" };
            let section = Counted::section(name, &self.inputs[side as usize], self.join.key_columns(side));
            let fields = section.schema.fields().iter().map(|field| field.as_ref().clone());
            Section::new(name, section.version, fields.chain(own.clone()).collect(), section.route)
        };
        Side::BOTH.map(side).to_vec()
    }

    fn begin(&mut self) -> Saving {
        let (mut saving, sections) = (Saving::default(), self.sections());
        for side in Side::BOTH {
            for (&bucket, table) in &self.tables {
                for (rows, partners) in table.save(side, Saving::PIECE) {
                    let partners = partners.unwrap_or_else(|| vec![0; rows.len()]);
                    let own = [numbers((0..rows.len()).map(|_| bucket)), numbers(partners.into_iter())];
                    let columns = Counted::save(&rows).into_iter().chain(own).collect();
                    saving.add((side as usize, &sections[side as usize]), columns, rows.len());
                }
            }
        }
        saving
    }

    fn take(&mut self, section: usize, rows: &RecordBatch) -> Result<(), Unfit> {
        let (side, width) = (Side::BOTH[section], rows.num_columns());
        let saved = Counted::load(rows, &self.inputs[section])?;
        let (buckets, partners) = (numbers_of(rows.column(width - 2)), numbers_of(rows.column(width - 1)));
        let mut parts: BTreeMap<i64, Vec<u32>> = BTreeMap::new();
        buckets.iter().zip(0..).for_each(|(&bucket, row)| parts.entry(bucket).or_default().push(row));
        for (bucket, rows) in parts {
            let partners: Vec<i64> = rows.iter().map(|&row| partners[row as usize]).collect();
            let (part, table) = (saved.take(&UInt32Array::from(rows)), self.table(bucket));
            let partners = table.counts_partners(side).then_some(&partners[..]);
            table.load(side, &part, partners)?;
        }
        Ok(())
    }

    fn loaded(&mut self, cut: Epoch) {
        self.tables.values_mut().for_each(|table| table.loaded(cut.watermark));
    }
}

impl Stateful for Buckets {
    fn apply(&mut self, epoch: Epoch, inputs: &mut [Vec<Delta>]) -> Vec<Delta> {
        let inputs = both(inputs);
        let Some(band) = self.band else {
            let [left, right] = &inputs;
            return self.table(0).apply(epoch.watermark, [left, right]);
        };
        let mut parts: BTreeMap<i64, [Vec<Delta>; 2]> = BTreeMap::new();
        for (side, deltas) in Side::BOTH.into_iter().zip(&inputs) {
            deltas.iter().for_each(|delta| band.split(side, delta, &mut parts));
        }
        let mut changes = Vec::new();
        for (bucket, [left, right]) in parts {
            changes.extend(self.table(bucket).apply(epoch.watermark, [&left, &right]));
        }
        self.gather(changes)
    }

    fn deadline(&self) -> Option<i64> {
        self.tables.values().filter_map(Table::deadline).min()
    }

    fn close(&mut self, deadline: i64) -> Vec<Delta> {
        let due = self.tables.values_mut().filter(|table| table.deadline().is_some_and(|due| due <= deadline));
        let changes = due.flat_map(|table| table.close(deadline)).collect();
        self.gather(changes)
    }

    fn expire(&mut self, frontier: Epoch) {
        let watermark = frontier.watermark;
        self.tables.retain(|_, table| {
            table.expire(watermark);
            !table.is_empty()
        });
    }

    fn held(&self) -> usize {
        self.len()
    }

    fn bytes(&self) -> usize {
        self.tables.values().map(Table::bytes).sum()
    }
}
