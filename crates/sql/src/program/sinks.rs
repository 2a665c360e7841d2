//! What writes: `CREATE SINK ... AS` and `INSERT INTO`. Several INSERTs into one table are one sink with all their rows.

use std::sync::Arc;

use arrow_schema::{DataType, Field, FieldRef, Schema};
use datafusion_common::ScalarValue;
use datafusion_physical_expr::expressions::{CastExpr, Literal};
use datafusion_sql::sqlparser::tokenizer::Span;

use super::reading::Planned;
use super::source_draft::{option_problem, options_of};
use crate::logical::zoned;
use crate::lower::{Relation, cast_to};
use crate::parse::ddl::{ColumnKind, Table};
use crate::parse::error::{Problem, suggest};
use crate::parse::statement::{Insert, OptionPair, Sink};
use crate::parse::token::Name;
use crate::program::Program;
use highwater_core::counted::counted;
use highwater_core::expression::{ByPlace, Filled};
use highwater_core::options::{OptionSpec, Options};
use highwater_core::plan::{NodeId, Scalar, SinkPlan, sql_type};
use highwater_core::registered::Registered;
use highwater_core::sink::{Foldered, SinkConnector, SinkSpec};

/// The options that every sink understands.
const SINK_OPTIONS: &[OptionSpec] = &[
    OptionSpec { name: "connector", help: "where rows go" },
    OptionSpec { name: "format", help: "how rows are written: json, csv, parquet" },
];

/// A sink until all that writes to it is known.
pub(crate) struct SinkDraft {
    /// As a table, for messages about options.
    table: Table,
    /// The statement that writes first: its file, and where it names the sink.
    file: usize,
    named: Span,
    connector: Registered<dyn SinkConnector>,
    options: Options,
    schema: Arc<Schema>,
    /// The places of the columns of PARTITIONED BY.
    partition: Vec<usize>,
    /// What writes to it: nodes with the places of their columns.
    inputs: Vec<(NodeId, Vec<usize>)>,
}

impl SinkDraft {
    pub(crate) fn key(&self) -> String {
        self.table.name.key()
    }

    /// Where it is said what it writes: the file, and its name there.
    pub(crate) fn place(&self) -> (usize, Span) {
        (self.file, self.named)
    }
}

impl Program<'_> {
    /// `CREATE SINK name WITH (...) AS query`.
    pub(crate) fn sink(&mut self, sink: Sink) -> Result<(), Vec<Problem>> {
        let table = Table {
            source: false,
            name: sink.name.clone(),
            if_not_exists: sink.if_not_exists,
            columns: Vec::new(),
            watermark: None,
            primary_key: Vec::new(),
            partition: sink.partition.clone(),
            options: sink.options.clone(),
        };
        let connector = self.sink_connector(&sink.options, &sink.name)?;
        let Some(Planned { relation, names }) = self.query(&sink.query, &sink.name.value)? else {
            return Ok(());
        };
        let types = self.types(&relation).map_err(|error| vec![Problem::at(Span::empty(), error.strip_backtrace())])?;
        let fields: Vec<FieldRef> =
            names.into_iter().zip(types).map(|(name, t)| Arc::new(Field::new(name, t, true))).collect();
        let relation = foldered(relation, &table, &fields)?;
        let input = self.run(relation, &sink.name.value, &sink.query.tokens)?;
        self.check_emit(&sink.query, input.0)?;
        let options = options_of(&sink.options);
        self.push_sink(SinkDraft {
            partition: partition(&table, &fields)?,
            table,
            file: self.file,
            named: sink.name.span,
            connector,
            options,
            schema: Arc::new(Schema::new(fields)),
            inputs: vec![input],
        })
    }

    /// `INSERT INTO table query`.
    pub(crate) fn insert(&mut self, insert: Insert) -> Result<(), Vec<Problem>> {
        let name = &insert.table;
        let Some((_, table)) = self.tables.get(&name.key()).cloned() else {
            let problem = Problem::at(name.span, format!("there is no table '{}' to insert into", name.value));
            let names: Vec<&str> = self.tables.values().map(|(_, table)| table.name.value.as_str()).collect();
            let hint = suggest(&name.value, names, "the tables are");
            return Err(vec![Problem { hint, ..problem }]);
        };
        if table.source {
            return Err(vec![
                Problem::at(name.span, format!("'{}' is a source, and sources are read", name.value))
                    .hint("declare it with CREATE TABLE, or write CREATE SINK name WITH (...) AS SELECT ..."),
            ]);
        }
        if table.option("connector").is_none() {
            return Err(vec![
                Problem::at(
                    name.span,
                    format!("'{}' is a reference table: its rows are changed over REST", name.value),
                )
                .hint("a table with a connector is written to: WITH ('connector' = 'filesystem', ...)"),
            ]);
        }
        let connector = self.sink_connector(&table.options, name)?;
        let planned = self.query_of(&insert.query, &name.value, !table.columns.is_empty())?;
        let Some(Planned { relation, names }) = planned else { return Ok(()) };
        let types = self.types(&relation).map_err(|error| vec![Problem::at(Span::empty(), error.strip_backtrace())])?;
        let declared = declared(&table, &names, &types)?;
        let relation = self.fitted(relation, &insert, &declared, &names, &types)?;
        let fields: Vec<FieldRef> = declared.iter().map(loose).collect();
        let relation = foldered(relation, &table, &fields)?;
        let input = self.run(relation, &name.value, &insert.query.tokens)?;
        self.check_emit(&insert.query, input.0)?;
        let key = table.name.key();
        if let Some(sink) = self.sinks.iter_mut().find(|sink| sink.key() == key) {
            sink.inputs.push(input);
            return Ok(());
        }
        let options = options_of(&table.options);
        self.push_sink(SinkDraft {
            partition: partition(&table, &fields)?,
            table,
            file: self.file,
            named: name.span,
            connector,
            options,
            schema: Arc::new(Schema::new(fields)),
            inputs: vec![input],
        })
    }

    fn sink_connector(
        &self,
        options: &[OptionPair],
        name: &Name,
    ) -> Result<Registered<dyn SinkConnector>, Vec<Problem>> {
        let Some(option) = options.iter().find(|pair| pair.name.key() == "connector") else {
            return Err(vec![
                Problem::at(name.span, format!("the sink '{}' has no connector", name.value))
                    .hint("write WITH ('connector' = 'filesystem', 'path' = '...', 'format' = 'json'), or 'print'"),
            ]);
        };
        self.catalog.sink(&option.value.value).ok_or_else(|| {
            let wanted = &option.value.value;
            let reads = self.catalog.connector(wanted).is_some() || self.catalog.left_out(wanted).is_some();
            let message = match reads {
                true => format!("the connector '{wanted}' is read only"),
                false => format!("there is no connector '{wanted}'"),
            };
            let hint = suggest(wanted, self.catalog.sink_names(), "the sinks are");
            vec![Problem { hint, ..Problem::at(option.value.span, message) }]
        })
    }

    /// The query's columns as the table declares them.
    fn fitted(
        &self,
        relation: Relation,
        insert: &Insert,
        fields: &[FieldRef],
        names: &[String],
        types: &[DataType],
    ) -> Result<Relation, Vec<Problem>> {
        let span = insert.query.tokens.first().map_or(insert.table.span, |token| token.span);
        let wanted = if insert.columns.is_empty() { fields.len() } else { insert.columns.len() };
        if wanted != names.len() {
            let message =
                format!("'{}' takes {}, the query has {}", insert.table.value, counted(wanted, "column"), names.len());
            let all: Vec<&str> = fields.iter().map(|f| f.name().as_str()).collect();
            let named: Vec<&str> = insert.columns.iter().map(|name| name.value.as_str()).collect();
            let hint = match named.as_slice() {
                [] => format!("the columns are {}", all.join(", ")),
                named => format!("select a value for each of {}", named.join(", ")),
            };
            return Err(vec![Problem::at(span, message).hint(hint)]);
        }
        let named_before = |at: usize| insert.columns[..at].iter().any(|c| c.key() == insert.columns[at].key());
        if let Some(name) = (0..insert.columns.len()).find(|&at| named_before(at)).map(|at| &insert.columns[at]) {
            return Err(vec![
                Problem::at(name.span, format!("the column '{}' is named twice", name.value))
                    .hint("name each column once"),
            ]);
        }
        let mut sources: Vec<Option<usize>> = vec![None; fields.len()];
        for at in 0..wanted {
            let to = match insert.columns.get(at) {
                None => at,
                Some(name) => {
                    fields.iter().position(|field| field.name().eq_ignore_ascii_case(&name.value)).ok_or_else(|| {
                        let problem =
                            Problem::at(name.span, format!("'{}' has no column '{}'", insert.table.value, name.value));
                        let hint = suggest(&name.value, fields.iter().map(|f| f.name().as_str()), "the columns are");
                        vec![Problem { hint, ..problem }]
                    })?
                }
            };
            sources[to] = Some(at);
        }
        let (schema, zone) = (self.schema_of(&relation), self.context.zone());
        let mut columns = Vec::new();
        for (field, source) in fields.iter().zip(&sources) {
            let internal = |error: datafusion_common::DataFusionError| vec![Problem::at(span, error.strip_backtrace())];
            columns.push(match *source {
                Some(at) if !fits(&types[at], field.data_type()) && !is_null(&relation.columns[at]) => {
                    let message = format!(
                        "column '{}' is of type {}, and the query's '{}' of type {}",
                        field.name(),
                        sql_type(field.data_type()),
                        names[at],
                        sql_type(&types[at])
                    );
                    let place = crate::syntax::names::place_of(&insert.query.tokens, &names[at]).unwrap_or(span);
                    return Err(vec![Problem::at(place, message).hint(format!("write CAST({} AS ...)", names[at]))]);
                }
                Some(at) if !field.is_nullable() && is_null(&relation.columns[at]) => {
                    let message = format!(
                        "the column '{}' of '{}' is NOT NULL, and the query's '{}' is NULL",
                        field.name(),
                        insert.table.value,
                        names[at]
                    );
                    let place = crate::syntax::names::place_of(&insert.query.tokens, &names[at]).unwrap_or(span);
                    return Err(vec![
                        Problem::at(place, message).hint("write a value, or declare the column without NOT NULL"),
                    ]);
                }
                Some(at) if is_null(&relation.columns[at]) => null(field).map_err(internal)?,
                Some(at) => {
                    let wanted = loose(field);
                    let of = zoned::between(&types[at], wanted.data_type());
                    let value = zoned::put_between(&relation.columns[at], &types[at], &of, zone, &schema);
                    let value = value.map_err(internal)?;
                    let value = match ByPlace::of(&value, &of, wanted.data_type()) {
                        Some(placed) => Arc::new(placed) as Scalar,
                        None => cast_to(value, wanted.data_type(), &schema).map_err(internal)?,
                    };
                    match Filled::of(Arc::clone(&value), field) {
                        Some(filled) if !value.is::<Literal>() => Arc::new(filled) as Scalar,
                        _ => value,
                    }
                }
                None if !field.is_nullable() => {
                    let message = format!(
                        "the column '{}' of '{}' is NOT NULL, and is not named here",
                        field.name(),
                        insert.table.value
                    );
                    let hint =
                        format!("name it, with a value: INSERT INTO {} (..., {})", insert.table.value, field.name());
                    return Err(vec![Problem::at(insert.table.span, message).hint(hint)]);
                }
                None => null(field).map_err(internal)?,
            });
        }
        let own =
            |at: usize| sources[at].map_or_else(|| fields[at].name().clone(), |from| relation.names[from].clone());
        let names = (0..fields.len()).map(own).collect();
        Ok(Relation { columns, names, ..relation })
    }

    fn schema_of(&self, relation: &Relation) -> Schema {
        let mut fields: Vec<FieldRef> = self.arena().schema(relation.node).fields().iter().cloned().collect();
        fields.extend(relation.window_fields(&fields));
        Schema::new(fields)
    }

    fn push_sink(&mut self, draft: SinkDraft) -> Result<(), Vec<Problem>> {
        let spec = self.spec(&draft, draft.inputs[0].0);
        let brought = spec.formats.brought(&draft.options);
        let format = brought.as_ref().map_or(&[][..], |format| format.options());
        let known = [SINK_OPTIONS, draft.connector.options(), format];
        let refuse = |error| vec![option_problem(error, &draft.table.options, &known, draft.table.name.span)];
        let owner = format!("the sink '{}'", draft.connector.name());
        draft.options.check(&owner, &known).map_err(refuse)?;
        draft.connector.check(&spec).map_err(|error| match error {
            highwater_core::sink::SinkError::Option(error) => refuse(error),
            highwater_core::sink::SinkError::Schema { what, remedy, .. } => {
                vec![Problem::at(draft.table.name.span, what).hint(remedy)]
            }
            other => vec![Problem::at(draft.table.name.span, other.to_string())],
        })?;
        self.sinks.push(draft);
        Ok(())
    }

    fn spec(&self, draft: &SinkDraft, node: NodeId) -> SinkSpec {
        let mut spec = SinkSpec::new(&draft.table.name.value, draft.connector.clone(), Arc::clone(&draft.schema));
        spec.options = draft.options.clone();
        spec.formats = self.catalog.formats().clone();
        spec.partition = draft.partition.clone();
        spec.retracting = !self.arena().facts(node).append_only;
        spec
    }

    /// The sinks with all that writes to them.
    pub(crate) fn finish_sinks(&mut self) -> Vec<SinkPlan> {
        let drafts = std::mem::take(&mut self.sinks);
        let mut plans = Vec::new();
        for draft in &drafts {
            let (node, columns) = match draft.inputs.as_slice() {
                [one] => one.clone(),
                several => self.all_into(draft, several),
            };
            plans.push(SinkPlan { spec: self.spec(draft, node), node, columns });
        }
        self.sinks = drafts;
        plans
    }

    fn all_into(&mut self, draft: &SinkDraft, inputs: &[(NodeId, Vec<usize>)]) -> (NodeId, Vec<usize>) {
        let types: Vec<(String, DataType)> =
            draft.schema.fields().iter().map(|f| (f.name().clone(), f.data_type().clone())).collect();
        let mut lowering = self.lowering(&draft.table.name.value);
        let branches = inputs.iter().map(|(node, columns)| lowering.columns_of_node(*node, columns)).collect();
        let Ok(node) = lowering.concat(branches, &types) else { unreachable!("columns of a node always have types") };
        (node, (0..types.len()).collect())
    }
}

/// The rows whose folders can be named; the others fail.
fn foldered(mut relation: Relation, table: &Table, fields: &[FieldRef]) -> Result<Relation, Vec<Problem>> {
    for place in partition(table, fields)? {
        let (column, field) = (&mut relation.columns[place], &fields[place]);
        if let Some(named) = Foldered::of(column, field.data_type(), field.name()) {
            *column = Arc::new(named);
        }
    }
    Ok(relation)
}

/// Refuses a partition by what is no column of a table, or twice by one.
pub(crate) fn check_partition(table: &Table) -> Result<(), Vec<Problem>> {
    let field = |column: &crate::parse::ddl::Column| Arc::new(Field::new(&column.name.value, DataType::Null, true));
    partition(table, &table.columns.iter().map(field).collect::<Vec<_>>()).map(drop)
}

/// The places of the columns that a sink is partitioned by.
fn partition(table: &Table, fields: &[FieldRef]) -> Result<Vec<usize>, Vec<Problem>> {
    let place = |name: &Name| {
        fields.iter().position(|field| field.name().eq_ignore_ascii_case(&name.value)).ok_or_else(|| {
            let problem = Problem::at(name.span, format!("'{}' has no column '{}'", table.name.value, name.value));
            vec![Problem {
                hint: suggest(&name.value, fields.iter().map(|f| f.name().as_str()), "the columns are"),
                ..problem
            }]
        })
    };
    let places = table.partition.iter().map(place).collect::<Result<Vec<_>, _>>()?;
    match table.partition.iter().zip(&places).enumerate().find(|(at, (_, place))| places[..*at].contains(*place)) {
        Some((_, (name, _))) => Err(vec![Problem::at(name.span, format!("'{}' is named twice", name.value))]),
        None => Ok(places),
    }
}

/// The columns that a table declares for writing; a table without any takes the query's.
fn declared(table: &Table, names: &[String], types: &[DataType]) -> Result<Vec<FieldRef>, Vec<Problem>> {
    let mut fields: Vec<FieldRef> = Vec::new();
    for column in &table.columns {
        if let ColumnKind::Physical(data_type, nullable) = &column.kind {
            fields.push(Arc::new(Field::new(&column.name.value, data_type.clone(), *nullable)));
        }
    }
    if fields.is_empty() {
        fields.extend(names.iter().zip(types).map(|(name, t)| Arc::new(Field::new(name, t.clone(), true))));
    }
    Ok(fields)
}

/// The column with NULL allowed in all of it: rows that have one where they may not fail before the sink.
fn loose(field: &FieldRef) -> FieldRef {
    let data_type = match field.data_type() {
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(loose).collect()),
        DataType::List(item) => DataType::List(loose(item)),
        other => other.clone(),
    };
    Arc::new(Field::new(field.name(), data_type, true))
}

/// NULL for a column.
fn null(field: &FieldRef) -> datafusion_common::Result<Scalar> {
    Ok(Arc::new(Literal::new(ScalarValue::try_from(loose(field).data_type())?)))
}

/// Whether an expression is NULL on every row.
fn is_null(expr: &Scalar) -> bool {
    match expr.downcast_ref::<CastExpr>() {
        Some(cast) => is_null(cast.expr()),
        None => expr.downcast_ref::<Literal>().is_some_and(|literal| literal.value().is_null()),
    }
}

/// Whether a value goes into a column as it is, or as the same value in another type of its kind.
fn fits(from: &DataType, to: &DataType) -> bool {
    let temporal = |t: &DataType| matches!(t, DataType::Timestamp(..) | DataType::Date32);
    match (from, to) {
        (from, to) if from == to => true,
        (from, to) if from.is_numeric() && to.is_numeric() => true,
        (from, to) if temporal(from) && temporal(to) => true,
        (DataType::Struct(from), DataType::Struct(to)) => {
            from.len() == to.len() && from.iter().zip(to).all(|(from, to)| fits(from.data_type(), to.data_type()))
        }
        (DataType::List(from), DataType::List(to)) => fits(from.data_type(), to.data_type()),
        _ => false,
    }
}
