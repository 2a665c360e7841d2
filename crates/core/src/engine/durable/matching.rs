//! Which sources and tables of a log are those of a program, and how far the two may differ: a replay takes what came, and moves as the
//! run did; what came of columns that nobody had declared, or how it would have moved by another watermark, nobody knows.

use std::collections::BTreeMap;

use arrow_schema::{Schema, SchemaRef};

use super::known::Known;
use crate::plan::{Dataflow, TableSpec, sql_type};
use crate::source::{SourceSpec, TimeSpec};

/// See the module. Of a run that goes on all are the same.
#[derive(Clone, Debug, Default)]
pub(super) struct Matching(Option<Matches>);

#[derive(Clone, Debug, Default)]
struct Matches {
    /// The number that a source of the log has in the program.
    sources: BTreeMap<u32, u32>,
    /// The same of tables.
    tables: BTreeMap<u32, u32>,
    /// How the rows of the program's sources stand in the log.
    stands: BTreeMap<u32, Stand>,
}

/// How the rows of a source stand in a log.
#[derive(Clone, Debug)]
pub(in super::super) struct Stand {
    /// Their columns.
    pub(in super::super) schema: SchemaRef,
    /// Which of them the program declares, in its order.
    pub(in super::super) columns: Vec<usize>,
    /// What decides on a row is as it was: the same are accepted.
    pub(in super::super) same: bool,
}

impl Matching {
    /// The number that a source of the log has; `None` if the program does not read it.
    pub(super) fn source(&self, number: u32) -> Option<u32> {
        self.0.as_ref().map_or(Some(number), |matches| matches.sources.get(&number).copied())
    }

    /// How the rows of a source stand in the log, if it need not be as they are declared.
    pub(super) fn stand(&self, number: usize) -> Option<Stand> {
        self.0.as_ref().and_then(|matches| matches.stands.get(&(number as u32)).cloned())
    }

    /// Matches what is `known` with a program; `was` is what the log was written by, if that is known. Says what does not fit.
    pub(super) fn of(known: &Known, was: Option<&Dataflow>, dataflow: &Dataflow) -> Result<Matching, [String; 2]> {
        let mut matches = Matches::default();
        for (number, spec) in dataflow.sources.iter().enumerate() {
            let live = spec.connector.live(&spec.options);
            let Some((at, schema)) = find(known, was, dataflow, number) else {
                if !live {
                    continue;
                }
                return Err(absent(known, spec));
            };
            let before = was.and_then(|was| was.sources.get(at as usize));
            if let Some(before) = before.filter(|before| before.connector.live(&before.options) != live) {
                let [here, there] = [spec, before].map(|spec| spec.connector.name());
                let what = format!("source '{}' is '{here}' in this program and was '{there}'", spec.name);
                return Err([
                    what,
                    "declare it as it was; only sources whose rows are kept can stand for each other".to_owned(),
                ]);
            }
            matches.sources.insert(at, number as u32);
            if live {
                let columns = columns(spec, schema)?;
                let same = before.map_or(Ok(true), |before| same(spec, before))?;
                matches.stands.insert(number as u32, Stand { schema: schema.clone(), columns, same });
            }
        }
        for (number, table) in dataflow.tables.iter().enumerate() {
            let Some(was) = was else {
                matches.tables.insert(number as u32, number as u32);
                continue;
            };
            let Some(at) = was.tables.iter().position(|before| before.name() == table.name()) else { continue };
            let shape = |table: &TableSpec| (table.view.schema.clone(), table.key().to_vec());
            if shape(table) != shape(&was.tables[at]) {
                let what = format!("table '{}' has other columns, or another key, than it had", table.name());
                return Err([what, "declare it as it was".to_owned()]);
            }
            matches.tables.insert(at as u32, number as u32);
        }
        Ok(Matching(Some(matches)))
    }

    /// What is known, by the program's numbers.
    pub(super) fn numbered(&self, known: &Known) -> Known {
        let at = |(source, partition): &(u32, u32)| Some((self.source(*source)?, *partition));
        let table = |table: &u32| self.0.as_ref().map_or(Some(*table), |matches| matches.tables.get(table).copied());
        let requests = known.requests.iter();
        Known {
            splits: known.splits.iter().filter_map(|(key, split)| Some((at(key)?, split.clone()))).collect(),
            requests: requests.filter_map(|(lsn, (of, epoch))| Some((*lsn, (table(of)?, *epoch)))).collect(),
            ..Known::default()
        }
    }
}

/// The source of the log that one of the program is, with its columns there.
fn find<'a>(
    known: &'a Known,
    was: Option<&Dataflow>,
    dataflow: &Dataflow,
    number: usize,
) -> Option<(u32, &'a SchemaRef)> {
    let spec = &dataflow.sources[number];
    // One that is read in order of arrival too has two numbers.
    let at = match was {
        Some(was) => {
            let is = |before: &SourceSpec| before.name == spec.name && before.by_arrival() == spec.by_arrival();
            was.sources.iter().position(is)? as u32
        }
        None => {
            let nth = dataflow.sources[..number].iter().filter(|other| other.name == spec.name).count();
            *known.sources.iter().filter(|(_, (name, _))| *name == spec.name).nth(nth)?.0
        }
    };
    let (name, schema) = known.sources.get(&at)?;
    (*name == spec.name).then_some((at, schema))
}

fn absent(known: &Known, spec: &SourceSpec) -> [String; 2] {
    let mut names: Vec<String> = known.sources.values().map(|(name, _)| format!("'{name}'")).collect();
    names.dedup();
    let there = names.contains(&format!("'{}'", spec.name));
    let what = match (there, names.is_empty()) {
        (true, _) => format!("the run put nothing in order of the arrival of source '{}'", spec.name),
        (false, true) => format!("it holds no rows of source '{}', nor of any other", spec.name),
        (false, false) => format!("it holds no rows of source '{}'; those kept are of {}", spec.name, names.join(", ")),
    };
    [what, "what the program of a run does not read is not kept of it".to_owned()]
}

/// Where the columns of a source stand among those that are kept.
fn columns(spec: &SourceSpec, kept: &Schema) -> Result<Vec<usize>, [String; 2]> {
    let place = |field: &arrow_schema::FieldRef| {
        let (source, column) = (&spec.name, field.name());
        let Some((at, there)) = kept.column_with_name(column) else {
            let what = format!("source '{source}' has no column '{column}' there");
            return Err([what, "what a program does not declare is not kept; leave the column out".to_owned()]);
        };
        let shown = |field: &arrow_schema::Field| {
            format!("{}{}", sql_type(field.data_type()), if field.is_nullable() { "" } else { " NOT NULL" })
        };
        let [here, was] = [shown(field), shown(there)];
        if (field.data_type(), field.is_nullable()) != (there.data_type(), there.is_nullable()) {
            let what = format!("column '{column}' of source '{source}' is {here} in this program and was {was}");
            return Err([what, format!("declare it as {was}, and CAST where it is read")]);
        }
        Ok(at)
    };
    spec.physical.fields().iter().map(place).collect()
}

/// Whether the same rows are accepted. What moves a partition has to be as it was.
fn same(spec: &SourceSpec, before: &SourceSpec) -> Result<bool, [String; 2]> {
    let [here, there] = [spec, before].map(event_time);
    if here != there {
        let what = format!("source '{}' has {here} in this program and had {there}", spec.name);
        return Err([what, "a replay moves as the run did: declare it as it was".to_owned()]);
    }
    let changes = |spec: &SourceSpec| format!("{:?}", spec.declared().changelog);
    if changes(spec) != changes(before) {
        let what = format!("the 'changelog' options of source '{}' are others than they were", spec.name);
        return Err([what, "leave them as they were".to_owned()]);
    }
    let verdict = |spec: &SourceSpec| {
        let (late, dedup) = (spec.time.and_then(|time: TimeSpec| time.lateness_ms), spec.declared().dedup);
        let computed: Vec<(String, String)> =
            spec.computed.iter().map(|(field, expr)| (field.name().clone(), text(expr))).collect();
        (late, format!("{dedup:?}"), computed, spec.physical.clone())
    };
    Ok(verdict(spec) == verdict(before))
}

/// What a source's watermark goes by, in words.
fn event_time(spec: &SourceSpec) -> String {
    let Some(time) = spec.time else { return "no watermark".to_owned() };
    let (decoded, computed) = (spec.decode.len(), spec.computed.len());
    let column = match time.column {
        column if column < decoded => format!("'{}'", spec.physical.field(spec.decode[column]).name()),
        column if column < decoded + computed => {
            let (field, expr) = &spec.computed[column - decoded];
            format!("'{}' ({})", field.name(), text(expr))
        }
        _ => "the arrival".to_owned(),
    };
    format!("a watermark {} ms behind {column}", time.bound_ms)
}

/// An expression without the places of its columns, which depend on what else is read.
fn text(expr: &impl std::fmt::Display) -> String {
    let text = expr.to_string();
    let mut parts = text.split('@');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + part.trim_start_matches(|c: char| c.is_ascii_digit()))
}
