//! A program: its statements one after the other, every error of theirs, and the plan if there is none.

mod brought;
pub(crate) mod changelog;
pub(crate) mod reading;
pub(crate) mod session;
mod settings;
pub(crate) mod sinks;
pub(crate) mod source_draft;
pub(crate) mod table_draft;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use arrow_schema::{DataType, FieldRef};
use datafusion_sql::sqlparser::tokenizer::{Span, Token, TokenWithSpan};

use self::reading::relations_in;
use self::session::Given;
use self::source_draft::{SourceDraft, lower_names};
use self::table_draft::TableDraft;
use crate::SqlError;
use crate::lower::origin::Said;
use crate::lower::{Arena, Arrived, Lowering, Relation};
use crate::parse::ddl::Table;
use crate::parse::error::Problem;
use crate::parse::setting::Setting;
use crate::parse::statement::{self, Statement, View};
use crate::parse::token::{Name, is_word, span_of, statements};
use crate::prune::prune;
use crate::query::catalog::Catalog;
use crate::query::context::Context;
use crate::syntax::arrival;
use highwater_core::plan::{Dataflow, LogSpec, MAX_ROUNDS, NodeId, Operators, SinkPlan, TableSpec, ViewSpec};

/// A statement with the file it stands in.
struct Placed {
    pub(crate) file: usize,
    span: Span,
    statement: Statement,
}

/// A relation that queries can read.
pub(crate) struct Readable {
    pub(crate) name: String,
    /// The source behind it, if it is one.
    pub(crate) source: Option<usize>,
    /// Its columns and their fields as they are spelled.
    pub(crate) spellings: Vec<String>,
    pub(crate) fields: Vec<FieldRef>,
    pub(crate) used: bool,
}

/// Something odd that is no error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Where, and what.
    pub at: SqlError,
}

impl std::fmt::Display for Warning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.at.show("warning", f)
    }
}

/// The program being planned.
pub(crate) struct Program<'a> {
    pub(crate) files: &'a [(String, String)],
    pub(crate) catalog: &'a Catalog,
    pub(crate) context: Context,
    pub(crate) arena: Arena,
    pub(crate) sources: Vec<SourceDraft>,
    source_files: Vec<usize>,
    /// The reference tables, with their nodes.
    pub(crate) references: Vec<(TableDraft, NodeId)>,
    pub(crate) readable: Vec<Readable>,
    pub(crate) relations: Vec<Relation>,
    pub(crate) by_name: HashMap<String, usize>,
    /// All tables as declared, by name: sinks of INSERT among them.
    pub(crate) tables: BTreeMap<String, (usize, Table)>,
    pub(crate) declared: HashMap<String, &'static str>,
    /// Names whose statement failed: what reads them is not told about it again.
    pub(crate) broken: HashSet<String>,
    /// How often each word stands in queries.
    pub(crate) reads: HashMap<String, usize>,
    /// Whether it asks when rows arrived.
    stamped: bool,
    pub(crate) views: Vec<ViewSpec>,
    pub(crate) sinks: Vec<self::sinks::SinkDraft>,
    pub(crate) errors: Vec<SqlError>,
    pub(crate) file: usize,
    /// How many rounds a recursion may take, from here on.
    pub(crate) max_rounds: u64,
    pub(crate) operators: Operators,
    /// How the log of a data directory is kept.
    pub(crate) log: LogSpec,
    /// In a session: what is there already.
    pub(crate) given: Option<Given>,
    fallback: Span,
}

/// A plan and what is odd about its program.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Compiled {
    /// The plan.
    pub dataflow: Dataflow,
    /// Sources that nothing reads, and the like.
    pub warnings: Vec<Warning>,
}

impl<'a> Program<'a> {
    pub(crate) fn new(files: &'a [(String, String)], catalog: &'a Catalog) -> Program<'a> {
        Program {
            files,
            catalog,
            context: Context::new(catalog),
            arena: Arena::default(),
            sources: Vec::new(),
            source_files: Vec::new(),
            references: Vec::new(),
            readable: Vec::new(),
            relations: Vec::new(),
            by_name: HashMap::new(),
            tables: BTreeMap::new(),
            declared: HashMap::new(),
            broken: HashSet::new(),
            reads: HashMap::new(),
            stamped: false,
            views: Vec::new(),
            sinks: Vec::new(),
            errors: Vec::new(),
            file: 0,
            max_rounds: MAX_ROUNDS,
            operators: Operators::default(),
            log: LogSpec::default(),
            given: None,
            fallback: Span::empty(),
        }
    }

    /// Plans the whole program.
    pub(crate) fn compile(mut self) -> Result<Compiled, Vec<SqlError>> {
        let placed = self.read();
        for one in &placed {
            if let Statement::View(View { query, .. })
            | Statement::Sink(statement::Sink { query, .. })
            | Statement::Insert(statement::Insert { query, .. }) = &one.statement
            {
                for name in relations_in(&query.tokens) {
                    *self.reads.entry(name).or_default() += 1;
                }
            }
        }
        let texts: Vec<(Arc<str>, Arc<str>)> =
            self.files.iter().map(|(name, text)| (name.as_str().into(), text.as_str().into())).collect();
        let mut given = self.is_there(0);
        for one in placed {
            if given && !self.is_there(one.file) {
                given = false;
                let found = self.over_what_is_there();
                self.report(found);
            }
            (self.file, self.fallback) = (one.file, one.span);
            self.arena.said = match &one.statement {
                Statement::Table(table) => Some((&table.name, &[][..])),
                Statement::View(view) => Some((&view.name, &view.query.tokens[..])),
                Statement::Sink(sink) => Some((&sink.name, &sink.query.tokens[..])),
                Statement::Insert(insert) => Some((&insert.table, &insert.query.tokens[..])),
                Statement::Set(..) | Statement::Function(_) | Statement::Nothing => None,
            }
            .map(|(name, tokens)| Said::new(name, texts[one.file].clone(), tokens));
            let found = self.statement(one.statement);
            self.report(found);
        }
        self.arena.said = None;
        self.finish()
    }

    /// All statements of all files; those that cannot be read are reported.
    fn read(&mut self) -> Vec<Placed> {
        let mut placed = Vec::new();
        for (file, (_, text)) in self.files.iter().enumerate() {
            self.file = file;
            let found = match statements(text) {
                Ok(found) => found,
                Err(problem) => {
                    self.report(Err(vec![problem]));
                    continue;
                }
            };
            for tokens in found {
                self.fallback = span_of(&tokens[..1]);
                if arrival::is_in(&tokens) && !self.stamped {
                    let late = self.asks_late_for_arrival(file);
                    self.report(late);
                    self.stamped = true;
                }
                match statement::parse(&tokens) {
                    Ok(statement) => placed.push(Placed { file, span: self.fallback, statement }),
                    Err(problem) => {
                        // What it would have made is not there: not to be complained of again.
                        self.break_name_in(&tokens);
                        self.report(Err(vec![problem]));
                    }
                }
            }
        }
        placed
    }

    fn break_name_in(&mut self, tokens: &[TokenWithSpan]) {
        let kinds = ["table", "source", "view", "sink"];
        let kind = tokens.iter().take(4).position(|token| kinds.iter().any(|kind| is_word(&token.token, kind)));
        let skipped = ["if", "not", "exists"];
        let words = tokens.iter().skip(kind.map_or(usize::MAX, |at| at + 1));
        let name = words.filter_map(|token| match &token.token {
            Token::Word(word) => Some(word.value.to_lowercase()),
            _ => None,
        });
        if let Some(name) = name.into_iter().find(|name| !skipped.contains(&name.as_str())) {
            self.broken.insert(name);
        }
    }

    fn report(&mut self, result: Result<(), Vec<Problem>>) {
        let (name, text) = &self.files[self.file];
        for problem in result.err().into_iter().flatten() {
            let error = problem.in_file(name, text, self.fallback);
            if !self.errors.contains(&error) {
                self.errors.push(error);
            }
        }
    }

    fn statement(&mut self, statement: Statement) -> Result<(), Vec<Problem>> {
        match statement {
            Statement::Nothing => Ok(()),
            Statement::Set(Setting::MaxRounds(rounds), _) => {
                self.max_rounds = rounds;
                Ok(())
            }
            Statement::Set(Setting::Zone(zone), span) => self.zone(zone, span),
            Statement::Set(Setting::Operators(operators), span) => self.run_on(operators, span),
            Statement::Set(Setting::LogSync(sync), span) => {
                self.keep_log(LogSpec { sync: Some(sync), ..self.log }, span)
            }
            Statement::Set(Setting::LogOverflow(bytes), span) => {
                self.keep_log(LogSpec { overflow: Some(bytes), ..self.log }, span)
            }
            Statement::Set(Setting::LogRetention(kept), span) => {
                self.keep_log(LogSpec { retention: Some(kept), ..self.log }, span)
            }
            Statement::Set(Setting::LogSegment(bytes), span) => {
                self.keep_log(LogSpec { segment: Some(bytes), ..self.log }, span)
            }
            Statement::Set(Setting::SnapshotInterval(every), span) => {
                self.keep_log(LogSpec { snapshots: Some(every), ..self.log }, span)
            }
            Statement::Table(table) => self.table(table),
            Statement::View(view) => {
                if !self.declare(&view.name, "view", view.if_not_exists)? {
                    return Ok(());
                }
                let name = view.name.key();
                self.keep_plain(&view);
                let done = self.view(view);
                if done.is_err() {
                    self.broken.insert(name);
                }
                done
            }
            Statement::Sink(sink) => {
                if self.declare(&sink.name, "sink", sink.if_not_exists)? {
                    self.sink(sink)
                } else {
                    Ok(())
                }
            }
            Statement::Insert(insert) => self.insert(insert),
            Statement::Function(name) => self.function(&name),
        }
    }

    /// Takes a name; false if it is taken and may be.
    fn declare(&mut self, name: &Name, kind: &'static str, if_not_exists: bool) -> Result<bool, Vec<Problem>> {
        match self.declared.get(&name.key()) {
            Some(_) if if_not_exists => Ok(false),
            Some(other) => {
                let message = format!("there is a {other} '{}' already", name.value);
                Err(vec![Problem::at(name.span, message).hint("names are compared without case; choose another one")])
            }
            None => {
                self.declared.insert(name.key(), kind);
                Ok(true)
            }
        }
    }

    fn table(&mut self, table: Table) -> Result<(), Vec<Problem>> {
        let kind = if table.source { "source" } else { "table" };
        if !self.declare(&table.name, kind, table.if_not_exists)? {
            return Ok(());
        }
        let key = table.name.key();
        self.tables.insert(key.clone(), (self.file, table.clone()));
        if let Some(first) = table.partition.first() {
            let connector = table.option("connector").map(|connector| connector.value.value.as_str());
            let writes = connector.is_some_and(|connector| self.catalog.sink(connector).is_some());
            let reads = connector.is_some_and(|connector| self.catalog.connector(connector).is_some());
            if !writes || (table.source && !reads) {
                self.broken.insert(key);
                let message =
                    format!("'{}' has no folders, and PARTITIONED BY says how files lie in them", table.name.value);
                return Err(vec![Problem::at(first.span, message).hint("leave PARTITIONED BY out")]);
            }
            if table.columns.is_empty() {
                // It takes its columns from what is written.
                return Ok(());
            }
            self::sinks::check_partition(&table)?;
        }
        let Some(connector) = table.option("connector") else {
            let declared = self.reference(table);
            if declared.is_err() {
                self.broken.insert(key);
            }
            return declared;
        };
        if let Some(relation) = self.catalog.relation(&connector.value.value) {
            let relation = relation.clone();
            self.keep_related(&table);
            return self.related(table, relation);
        }
        let Some(found) = self.catalog.connector(&connector.value.value) else {
            if !table.source && self.catalog.sink(&connector.value.value).is_some() {
                return Ok(());
            }
            self.broken.insert(key);
            return Err(vec![self.no_connector(&connector.value, !table.source)]);
        };
        let draft = match SourceDraft::read(table, found, &self.context, self.stamped) {
            Ok(draft) => draft,
            Err(problems) => {
                self.broken.insert(key);
                return Err(problems);
            }
        };
        let fields = draft.fields();
        let (source, twin) = (self.sources.len(), draft.by_arrival());
        let mut relation = self.source(draft);
        relation.columns.truncate(fields.len());
        if let Some(twin) = twin {
            let by_arrival = self.source(twin);
            (self.sources[source].twin, self.sources[source + 1].twin) = (Some(source + 1), Some(source));
            self.arena.arrived.entry(source).and_modify(|arrived| arrived.twin = Some(by_arrival.node));
        }
        self.add(&key, Some(source), &fields, relation)
    }

    /// Takes a source in, as all columns of its node.
    fn source(&mut self, draft: SourceDraft) -> Relation {
        let source = self.sources.len();
        let (node, known) = draft.node(source);
        let columns = draft.arrivals();
        if !columns.is_empty() {
            self.arena.arrived.insert(source, Arrived { columns, twin: None });
        }
        self.sources.push(draft);
        self.source_files.push(self.file);
        self.lowering("").source(node, known)
    }

    /// A table that is changed over REST.
    fn reference(&mut self, table: Table) -> Result<(), Vec<Problem>> {
        let key = table.name.key();
        let draft = TableDraft::read(self, table, &self.context)?;
        let (node, known) = draft.node(self.references.len());
        let mut lowering = Lowering::new(&mut self.arena, &[], "", self.max_rounds);
        let relation = lowering.source(node, known);
        let fields = draft.fields().to_vec();
        self.references.push((draft, relation.node));
        self.add(&key, None, &fields, relation)
    }

    /// Makes a relation known to the queries that follow.
    pub(crate) fn add(
        &mut self,
        key: &str,
        source: Option<usize>,
        fields: &[FieldRef],
        relation: Relation,
    ) -> Result<(), Vec<Problem>> {
        let schema = lower_names(fields).map_err(|error| vec![Problem::at(Span::empty(), error.strip_backtrace())])?;
        let number = self.relations.len();
        self.context.add(key.to_owned(), number, Arc::clone(schema.inner()));
        self.relations.push(relation);
        let spellings = fields.iter().flat_map(spellings).collect();
        self.readable.push(Readable { name: key.to_owned(), source, spellings, fields: fields.to_vec(), used: false });
        self.by_name.insert(key.to_owned(), number);
        Ok(())
    }

    fn finish(mut self) -> Result<Compiled, Vec<SqlError>> {
        if !self.errors.is_empty() {
            return Err(self.errors);
        }
        let mut sinks: Vec<SinkPlan> = self.finish_sinks();
        let mut views = std::mem::take(&mut self.views);
        // The stores of tables read whole rows.
        let mut tables: Vec<TableSpec> = self.references.iter().map(|(draft, node)| draft.finish(*node)).collect();
        let published = views.len();
        let whole = self.whole_sources(&views, &sinks);
        views.extend(tables.iter().map(|table| table.view.clone()).chain(whole));
        let pruned = match prune(&self.arena.nodes, self.sources.len(), &mut views, &mut sinks) {
            Ok(pruned) => pruned,
            Err(error) => {
                let found = self.problems(error, &[]);
                self.report(Err(found));
                return Err(self.errors);
            }
        };
        for (table, view) in tables.iter_mut().zip(views.drain(published..)) {
            table.view = view;
        }
        let mut nodes = pruned.nodes;
        let origins = pruned.from.iter().map(|&node| self.arena.origins[node].clone()).collect();
        let mut sources = Vec::new();
        let mut number = vec![0; self.sources.len()];
        let mut warnings = Vec::new();
        for (at, kept) in pruned.sources.iter().enumerate() {
            let draft = &self.sources[at];
            let (name, text) = &self.files[self.source_files[at]];
            let span = draft.table.name.span;
            let all: Vec<usize> = (0..draft.fields().len()).collect();
            let key = draft.table.name.key();
            let written = self.sinks.iter().any(|sink| sink.key() == key);
            // Of a source by two times each may be wanted.
            let other = draft.twin.is_some_and(|twin| pruned.sources[twin].is_some() || twin < at);
            if kept.is_none() && (written || other) {
                continue;
            }
            let twice = other && draft.twin.is_some_and(|twin| twin < at && pruned.sources[twin].is_some());
            match draft.finish(kept.as_ref().unwrap_or(&all), twice) {
                Ok(spec) if kept.is_some() => {
                    number[at] = sources.len();
                    sources.push(spec);
                }
                Ok(_) => {
                    let used = self.readable.iter().any(|readable| readable.source == Some(at) && readable.used);
                    let message = match used {
                        true => format!(
                            "the source '{}' is not read: no published view and no sink needs it",
                            draft.table.name.value
                        ),
                        false => format!("nothing reads the source '{}'", draft.table.name.value),
                    };
                    let problem = Problem::at(span, message).hint("only materialized views and sinks run");
                    warnings.push(Warning { at: problem.in_file(name, text, span) });
                }
                Err(problem) => self.errors.push(problem.in_file(name, text, span)),
            }
        }
        for node in &mut nodes {
            if let highwater_core::plan::Op::Source { source } = &mut node.op {
                *source = number[*source];
            }
        }
        let (zone, operators, reads) = (self.context.zone(), self.operators, self.read_ones(&mut nodes));
        let (log, made_of, versions) = (self.log, std::mem::take(&mut self.arena.made_of), self.versions());
        let dataflow =
            Dataflow { sources, tables, nodes, origins, made_of, views, sinks, zone, operators, log, reads, versions };
        if let Some(clash) = highwater_core::plan::clash(&dataflow) {
            let (file, span) = self.sinks[clash.sink].place();
            let (name, text) = &self.files[file];
            self.errors
                .push(Problem::at(span, clash.what).hint(highwater_core::plan::CLASH_REMEDY).in_file(name, text, span));
        }
        if self.errors.is_empty() { Ok(Compiled { dataflow, warnings }) } else { Err(self.errors) }
    }
}

/// The name of a field, then those of the fields inside of it.
fn spellings(field: &FieldRef) -> Vec<String> {
    let mut names = vec![field.name().clone()];
    if let DataType::Struct(fields) = field.data_type() {
        names.extend(fields.iter().flat_map(spellings));
    }
    names
}
