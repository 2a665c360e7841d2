//! A declared source until the plan knows which of its columns are needed.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use arrow_schema::{DataType, Field, FieldRef, Schema};
use datafusion_common::{DFSchema, Result};

use super::changelog::{self, Changes, Refused};
use crate::lower::{Known, columns_of, physical, substitute};
use crate::parse::column_type::{instant, is_time};
use crate::parse::ddl::{ColumnKind, Table};
use crate::parse::error::{Problem, suggest, suggest_option};
use crate::parse::metadata::known_metadata;
use crate::parse::statement::OptionPair;
use crate::query;
use crate::query::context::Context;
use crate::query::diagnose::{Known as Names, problems};
use crate::syntax::arrival;
use datafusion_sql::sqlparser::tokenizer::Span;
use highwater_core::format::{Formats, spelled};
use highwater_core::options::{OptionError, OptionSpec, Options};
use highwater_core::plan::{Facts, Node, Op, Scalar, sql_type};
use highwater_core::registered::Registered;
use highwater_core::source::{Arrivals, Changelog, Connector, DedupSpec, Replay, SOURCE_OPTIONS, SourceSpec, TimeSpec};
use highwater_core::time::Zone;

/// How far ahead of the clock a live source's row may move the watermark, unless it says otherwise.
const MAX_FUTURE_SKEW_MS: i64 = 300_000;

/// What the watermark of an idle source does: whether it goes on with the clock.
const IDLE: &[(&str, bool)] = &[("hold", false), ("clock", true)];

/// After how long without rows a source is idle whose watermark goes on with the clock then, unless it says otherwise.
const IDLE_MS: i64 = 5_000;

/// For how long a key is known, unless the source says otherwise.
const DEDUP_HORIZON_MS: i64 = 3_600_000;

/// The name of the engine's own column with the row's number.
const SEQUENCE: &str = "__sequence";

/// The name of the engine's own column with the time of arrival, in programs that ask for it.
const ARRIVAL: &str = "__arrival";

/// A source as declared.
#[derive(Clone, Debug)]
pub(crate) struct SourceDraft {
    pub(crate) table: Table,
    connector: Registered<dyn Connector>,
    options: Options,
    formats: Formats,
    physical: Vec<FieldRef>,
    /// Which of them the connector fills by itself.
    metadata: Vec<(usize, String)>,
    computed: Vec<(FieldRef, Scalar)>,
    /// The columns in the order of the declaration, and the arrival's of the engine if `stamped`.
    columns: Vec<Origin>,
    /// Whether the program asks when rows arrived.
    stamped: bool,
    arrivals: Arrivals,
    /// The type of times of arrival.
    arrival_type: DataType,
    time: Option<(usize, i64)>,
    /// The same source by another time, as it stands among the program's.
    pub(crate) twin: Option<usize>,
    /// The key that duplicates are known by, and for how long.
    dedup: Option<(Origin, i64)>,
    lateness_ms: Option<i64>,
    idle_timeout: Option<Duration>,
    idle_by_clock: bool,
    max_future_skew_ms: i64,
    /// Whether its rows come and go.
    changes: Option<Changes>,
    /// The session's zone.
    zone: Zone,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Origin {
    Physical(usize),
    Computed(usize),
    Arrival,
}

/// The options of a statement.
pub(crate) fn options_of(pairs: &[OptionPair]) -> Options {
    pairs.iter().map(|pair| (pair.name.value.clone(), pair.value.value.clone())).collect()
}

/// A refused option, at its place.
pub(crate) fn option_problem(
    error: OptionError,
    pairs: &[OptionPair],
    known: &[&[OptionSpec]],
    fallback: Span,
) -> Problem {
    let find = |name: &str| pairs.iter().find(|pair| pair.name.value.eq_ignore_ascii_case(name));
    let names: Vec<&str> = known.iter().flat_map(|specs| specs.iter()).flat_map(spelled).collect();
    let of_path = || Some(find("path")?.value.value.rsplit_once('.')?.1);
    let format = find("format").map(|pair| pair.value.value.as_str()).or_else(of_path).unwrap_or_default();
    match &error {
        OptionError::Unknown { name, owner, .. } => {
            let span = find(name).map_or(fallback, |pair| pair.name.span);
            let problem = Problem::at(span, format!("unknown option '{name}' for {owner}"));
            Problem { hint: suggest_option(name, names, format), ..problem }
        }
        OptionError::Missing { name, owner, help } => {
            Problem::at(fallback, format!("{owner} needs the option '{name}'"))
                .hint(format!("'{name}' = '...': {help}"))
        }
        OptionError::Invalid { name, value, reason } => {
            let span = find(name).map_or(fallback, |pair| pair.value.span);
            Problem::at(span, format!("option '{name}' = '{value}': {reason}"))
        }
    }
}

impl SourceDraft {
    /// Reads a declaration. `stamped` says whether the program asks for times of arrival.
    pub(crate) fn read(
        table: Table,
        connector: Registered<dyn Connector>,
        context: &Context,
        stamped: bool,
    ) -> Result<SourceDraft, Vec<Problem>> {
        let one = |problem: Problem| vec![problem];
        let mut options = options_of(&table.options);
        let refuse = |error: OptionError| one(option_problem(error, &table.options, &[], table.name.span));
        let lateness_ms = match options.get("lateness") {
            Some(word) if word.trim().eq_ignore_ascii_case("unbounded") => None,
            _ => Some(options.duration_ms("lateness").map_err(refuse)?.unwrap_or(0)),
        };
        let arrivals = Arrivals::of(&options).map_err(refuse)?;
        let idle_ms = options.duration_ms("idle-timeout").map_err(refuse)?;
        let idle_by_clock = options.one_of("watermark.idle", IDLE).map_err(refuse)?.unwrap_or(false);
        if idle_by_clock && !connector.live(&options) {
            return Err(refuse(OptionError::Invalid {
                name: "watermark.idle".to_owned(),
                value: "clock".to_owned(),
                reason: format!("'{}' comes to an end, and is never idle: leave it out", connector.name()),
            }));
        }
        let idle_ms = idle_ms.or(idle_by_clock.then_some(IDLE_MS));
        let max_future_skew_ms = options.duration_ms("max-future-skew").map_err(refuse)?.unwrap_or(MAX_FUTURE_SKEW_MS);
        let mut physical_fields: Vec<FieldRef> = Vec::new();
        let mut columns = Vec::new();
        let mut names: Vec<String> = Vec::new();
        if !table.columns.iter().any(|column| matches!(column.kind, ColumnKind::Physical(..))) {
            let fields = connector.default_columns(&options).ok_or_else(|| {
                let message = format!("the source '{}' has no columns", table.name.value);
                one(Problem::at(table.name.span, message)
                    .hint("declare them: CREATE SOURCE name (column TYPE, ...) WITH (...)"))
            })?;
            for field in fields {
                columns.push(Origin::Physical(physical_fields.len()));
                names.push(field.name().clone());
                physical_fields.push(field);
            }
        }
        let mut metadata = Vec::new();
        for column in &table.columns {
            if let ColumnKind::Physical(data_type, nullable) = &column.kind {
                if let Some(name) = &column.metadata {
                    metadata.push((physical_fields.len(), known_metadata(name, &*connector).map_err(one)?));
                }
                physical_fields.push(Arc::new(Field::new(&column.name.value, data_type.clone(), *nullable)));
            }
        }
        let schema =
            lower_names(&physical_fields).map_err(|error| one(Problem::at(table.name.span, error.to_string())))?;
        let mut computed = Vec::new();
        let mut next = 0;
        let mut found = Vec::new();
        for column in &table.columns {
            names.push(column.name.value.clone());
            match &column.kind {
                ColumnKind::Physical(..) => {
                    columns.push(Origin::Physical(next));
                    next += 1;
                }
                ColumnKind::Computed(tokens) if arrival::is_call(tokens) => columns.push(Origin::Arrival),
                ColumnKind::Computed(tokens) => {
                    let functions = context.function_names();
                    let known = Names { tokens, relations: &[], functions: &functions };
                    let planned = query::parse_expr(tokens, context.callable()).map_err(one).and_then(|expr| {
                        let expr = query::plan_expr(context, expr, &schema).and_then(|expr| physical(&expr, &schema));
                        let typed = expr.and_then(|expr| Ok((expr.data_type(schema.as_arrow())?, expr)));
                        typed.map_err(|error| problems(error, &known))
                    });
                    match planned {
                        Ok((data_type, expr)) => {
                            columns.push(Origin::Computed(computed.len()));
                            computed.push((Arc::new(Field::new(&column.name.value, data_type, true)), expr));
                        }
                        Err(problems) => found.extend(problems),
                    }
                }
            }
        }
        if !found.is_empty() {
            return Err(found);
        }
        let refused = |refused: Refused| match refused {
            Refused::Option(error) => refuse(error),
            Refused::Problem(problem) => one(problem),
        };
        let changes =
            changelog::read(&table, context.formats(), &mut options, &names, &mut physical_fields).map_err(refused)?;
        // A row that is taken back is the one that came, whenever either did.
        let stamped = stamped && changes.is_none();
        let arrival_type = instant();
        let kind = |at: usize| match columns[at] {
            Origin::Physical(i) => physical_fields[i].data_type(),
            Origin::Computed(i) => computed[i].0.data_type(),
            Origin::Arrival => &arrival_type,
        };
        let time = match &table.watermark {
            // A source that says when its rows arrive, and not when they happened, goes by that.
            None => columns.iter().position(|origin| *origin == Origin::Arrival).map(|at| (at, 0)),
            Some(watermark) => {
                let Some(at) = names.iter().position(|name| name.eq_ignore_ascii_case(&watermark.column.value)) else {
                    let problem =
                        Problem::at(watermark.column.span, format!("there is no column '{}'", watermark.column.value));
                    let hint = suggest(&watermark.column.value, names.iter().map(String::as_str), "the columns are");
                    return Err(one(Problem { hint, ..problem }));
                };
                let data_type = kind(at);
                if !is_time(data_type) {
                    let message = format!(
                        "the event-time column '{}' is of type {}, not TIMESTAMP(3)",
                        names[at],
                        sql_type(data_type)
                    );
                    let name = &names[at];
                    let value = match data_type {
                        text if text.is_string() => format!("TO_TIMESTAMP({name})"),
                        DataType::Date32 => format!("CAST({name} AS TIMESTAMP(3))"),
                        DataType::Time32(_) => format!("day + {name}"),
                        _ => format!("TO_TIMESTAMP_LTZ({name}, 3)"),
                    };
                    return Err(one(Problem::at(watermark.column.span, message)
                        .hint(format!("compute one: event_time AS {value}, WATERMARK FOR event_time AS event_time"))));
                }
                Some((at, watermark.bound_ms))
            }
        };
        let dedup = dedup(&options, &names, kind, time.is_some()).map_err(refuse)?;
        let dedup = dedup.map(|(at, horizon_ms)| (columns[at], horizon_ms));
        let idle_timeout = idle_ms.and_then(|ms| u64::try_from(ms).ok()).map(Duration::from_millis);
        if stamped {
            columns.push(Origin::Arrival);
        }
        Ok(SourceDraft {
            table,
            connector,
            options,
            formats: context.formats().clone(),
            physical: physical_fields,
            metadata,
            computed,
            columns,
            stamped,
            arrivals,
            arrival_type,
            time,
            twin: None,
            dedup,
            lateness_ms,
            idle_timeout,
            idle_by_clock,
            max_future_skew_ms,
            changes,
            zone: context.zone(),
        })
    }

    /// The columns by their declared names, without the engine's own.
    pub(crate) fn fields(&self) -> Vec<FieldRef> {
        let mut fields = self.all_fields();
        fields.truncate(self.columns.len() - usize::from(self.stamped));
        fields
    }

    fn all_fields(&self) -> Vec<FieldRef> {
        let field = |(at, origin): (usize, &Origin)| match origin {
            Origin::Physical(i) => Arc::clone(&self.physical[*i]),
            Origin::Computed(i) => Arc::clone(&self.computed[*i].0),
            Origin::Arrival => {
                // Those that a connector brings by itself stand before those declared.
                let before = self.columns.len() - usize::from(self.stamped) - self.table.columns.len();
                let declared = at.checked_sub(before).and_then(|at| self.table.columns.get(at));
                let name = declared.map_or(ARRIVAL, |column| column.name.value.as_str());
                Arc::new(Field::new(name, self.arrival_type.clone(), false))
            }
        };
        self.columns.iter().enumerate().map(field).collect()
    }

    /// The columns with times of arrival.
    pub(crate) fn arrivals(&self) -> Vec<usize> {
        (0..self.columns.len()).filter(|&at| self.columns[at] == Origin::Arrival).collect()
    }

    /// The same source by the arrival of its rows, if the program may want it so and it is not.
    pub(crate) fn by_arrival(&self) -> Option<SourceDraft> {
        let at = self.arrivals().pop().filter(|_| !self.goes_by_arrival())?;
        Some(SourceDraft { time: Some((at, 0)), ..self.clone() })
    }

    fn goes_by_arrival(&self) -> bool {
        self.time.is_some_and(|(at, _)| self.columns[at] == Origin::Arrival)
    }

    /// Where lateness is allowed for: nobody arrives late.
    fn lateness_ms(&self) -> Option<i64> {
        if self.goes_by_arrival() { Some(0) } else { self.lateness_ms }
    }

    /// The node of the source, all columns and the row's number, and what is known of it.
    pub(crate) fn node(&self, source: usize) -> (Node, Known) {
        let mut fields: Vec<FieldRef> = self.all_fields();
        let comes_only = self.changes.is_none();
        if comes_only {
            fields.push(Arc::new(Field::new(SEQUENCE, DataType::Int64, false)));
        }
        let mut bounds = vec![None; fields.len()];
        let key = self.changes.as_ref().and_then(|changes| changes.key.clone());
        // K4: a row that another one is put in the place of may be of any time.
        let lateness_ms = self.time.and(self.lateness_ms()).filter(|_| key.is_none());
        if let Some((at, _)) = self.time {
            let same = (0..self.columns.len()).filter(|&other| self.columns[other] == self.columns[at]);
            same.for_each(|at| bounds[at] = lateness_ms.map(i64::saturating_neg));
        }
        let facts = Facts {
            append_only: comes_only,
            time: self.time.map(|(at, _)| at),
            sequence: comes_only.then_some(self.columns.len()),
            key,
            bounds,
            ..Facts::default()
        };
        let node = Node { op: Op::Source { source }, inputs: Vec::new(), schema: Arc::new(Schema::new(fields)), facts };
        (node, Known { lateness_ms, ..Known::default() })
    }

    /// The source with exactly these columns of its node. `twice` says that it is read by another time too: then it is one
    /// more source, under a name of its own.
    pub(crate) fn finish(&self, kept: &[usize], twice: bool) -> Result<SourceSpec, Problem> {
        let mut name = self.table.name.value.clone();
        if twice {
            name.push_str(".arrival");
            if self.connector.replay() == Replay::Once {
                let what = format!(
                    "'{}' is read by its event time and by the arrival of its rows, and '{}' can be read once",
                    self.table.name.value,
                    self.connector.name()
                );
                return Err(self
                    .problem(what)
                    .hint("declare a second source for what goes by PROCTIME(), and bring its rows there too"));
            }
        }
        let origins: Vec<Origin> = kept.iter().filter_map(|&c| self.columns.get(c)).copied().collect();
        let time = self.time.map(|(at, bound_ms)| (self.columns[at], bound_ms));
        let named = [time, self.dedup].into_iter().flatten().map(|(origin, _)| origin);
        let named = named.chain(self.changes.iter().map(|changes| Origin::Physical(changes.op)));
        let used: HashSet<Origin> = origins.iter().copied().chain(named).collect();
        let computed: Vec<usize> = (0..self.computed.len()).filter(|&i| used.contains(&Origin::Computed(i))).collect();
        let read: HashSet<usize> = computed.iter().flat_map(|&c| columns_of(&self.computed[c].1)).collect();
        let mut decode: Vec<usize> =
            (0..self.physical.len()).filter(|&i| used.contains(&Origin::Physical(i)) || read.contains(&i)).collect();
        if decode.is_empty() {
            decode.push(0);
        }
        let mut places = vec![0; self.physical.len()];
        decode.iter().enumerate().for_each(|(place, &i)| places[i] = place);
        let decoded = |i: usize| places[i];
        let place = |origin: Origin| match origin {
            Origin::Physical(i) => decoded(i),
            Origin::Computed(i) => decode.len() + computed.iter().position(|&c| c == i).unwrap_or(0),
            Origin::Arrival => decode.len() + computed.len(),
        };
        let batch = Schema::new(decode.iter().map(|&i| Arc::clone(&self.physical[i])).collect::<Vec<_>>());
        let over = |expr: &Scalar| substitute(Arc::clone(expr), &|i| crate::lower::column(&batch, decoded(i)));
        let exprs = computed.iter().map(|&i| Ok((Arc::clone(&self.computed[i].0), over(&self.computed[i].1)?)));
        let exprs = exprs.collect::<Result<Vec<_>>>().map_err(|error| self.problem(error.to_string()))?;
        let all = self.all_fields();
        let sequence = kept.last() == Some(&self.columns.len());
        let mut fields: Vec<FieldRef> = kept.iter().filter_map(|&c| all.get(c)).cloned().collect();
        if sequence {
            fields.push(Arc::new(Field::new(SEQUENCE, DataType::Int64, false)));
        }
        let physical = Arc::new(Schema::new(self.physical.clone()));
        let mut spec = SourceSpec::new(name, self.connector.clone(), physical);
        spec.options = self.options.clone();
        spec.formats = self.formats.clone();
        spec.metadata = self.metadata.clone();
        spec.computed = exprs;
        spec.arrival = used.contains(&Origin::Arrival).then_some(self.arrivals);
        spec.output = origins.iter().map(|&origin| place(origin)).collect();
        spec.time = time.map(|(origin, bound_ms)| TimeSpec {
            column: place(origin),
            bound_ms,
            lateness_ms: self.lateness_ms(),
            idle_timeout: self.idle_timeout,
            idle_by_clock: self.idle_by_clock,
            max_future_skew_ms: if self.goes_by_arrival() { i64::MAX } else { self.max_future_skew_ms },
        });
        spec.dedup = self.dedup.map(|(origin, horizon_ms)| DedupSpec { column: place(origin), horizon_ms });
        spec.changelog = self.changes.as_ref().map(|changes| {
            let place = |column: &usize| kept.iter().position(|kept| kept == column);
            let key = changes.key.as_ref().map(|key| key.iter().filter_map(place).collect());
            Changelog { op: decoded(changes.op), key }
        });
        (spec.sequence, spec.schema, spec.zone) = (sequence, Arc::new(Schema::new(fields)), self.zone);
        spec.decode = decode;
        self.check(&spec)?;
        Ok(spec)
    }

    /// Whether connector and options fit.
    fn check(&self, spec: &SourceSpec) -> Result<(), Problem> {
        let brought = self.formats.brought(&self.options);
        let format = brought.as_ref().map_or(&[][..], |format| format.options());
        let known = [SOURCE_OPTIONS, self.connector.options(), format];
        let owner = format!("the connector '{}'", self.connector.name());
        self.options
            .check(&owner, &known)
            .map_err(|error| option_problem(error, &self.table.options, &known, self.table.name.span))?;
        self.connector.check(spec).map_err(|error| match error {
            highwater_core::source::SourceError::Option(error) => {
                option_problem(error, &self.table.options, &known, self.table.name.span)
            }
            highwater_core::source::SourceError::Schema { what, remedy, .. } => self.problem(what).hint(remedy),
            other => self.problem(other.to_string()),
        })
    }

    fn problem(&self, message: String) -> Problem {
        Problem::at(self.table.name.span, message)
    }
}

/// `dedup.key` and `dedup.horizon`: which column by its place, and for how many ms.
fn dedup<'a>(
    options: &Options,
    names: &[String],
    kind: impl Fn(usize) -> &'a DataType,
    timed: bool,
) -> Result<Option<(usize, i64)>, OptionError> {
    let invalid = |name: &str, value: &str, reason: String| OptionError::Invalid {
        name: name.to_owned(),
        value: value.to_owned(),
        reason,
    };
    let horizon_ms = options.duration_ms("dedup.horizon")?;
    let Some(key) = options.get("dedup.key") else {
        return match options.get("dedup.horizon") {
            Some(given) => Err(invalid("dedup.horizon", given, "'dedup.key' is missing: name the column".to_owned())),
            None => Ok(None),
        };
    };
    let refuse = |reason: String| Err(invalid("dedup.key", key, reason));
    let Some(at) = names.iter().position(|name| name.eq_ignore_ascii_case(key.trim())) else {
        return refuse(format!("there is no such column; the columns are {}", names.join(", ")));
    };
    if kind(at).is_nested() {
        return refuse("a key is text, a number, a truth value or a time; choose another column".to_owned());
    }
    if !timed {
        return refuse("the horizon is event time, so the source needs a WATERMARK FOR its time".to_owned());
    }
    match horizon_ms.unwrap_or(DEDUP_HORIZON_MS) {
        ms if ms > 0 => Ok(Some((at, ms))),
        _ => Err(invalid(
            "dedup.horizon",
            options.get("dedup.horizon").unwrap_or_default(),
            "write more than 0".to_owned(),
        )),
    }
}

/// A schema with the names in lower case.
pub(crate) fn lower_names(fields: &[FieldRef]) -> Result<DFSchema> {
    let lower = fields.iter().map(|field| field.as_ref().clone().with_name(field.name().to_lowercase()));
    DFSchema::try_from(Schema::new(lower.collect::<Vec<_>>()))
}
