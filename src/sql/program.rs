//! A program: its statements one after the other, every error of theirs, and the plan if there is none.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow_schema::{Field, FieldRef, Schema};
use datafusion_common::DataFusionError;
use datafusion_sql::sqlparser::tokenizer::{Span, Token, TokenWithSpan};

use super::SqlError;
use super::catalog::Catalog;
use super::context::Context;
use super::ddl::Table;
use super::diagnose::{Known, problems};
use super::error::Problem;
use super::lower::{Arena, Lowering, Relation, as_column};
use super::names::Spellings;
use super::prune::prune;
use super::query;
use super::source_draft::{SourceDraft, lower_names};
use super::statement::{self, Body, Statement, View};
use super::token::{Name, is_word, slice, span_of, statements};
use crate::options::Options;
use crate::plan::{Dataflow, Emit, NodeId, SinkPlan, ViewSpec};

/// A statement with the file it stands in.
struct Placed {
    file: usize,
    span: Span,
    statement: Statement,
}

/// A relation that queries can read.
struct Readable {
    name: String,
    /// The source behind it, if it is one.
    source: Option<usize>,
    columns: Vec<String>,
    used: bool,
}

/// Something odd that is no error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Where, and what: shown like an error.
    pub at: SqlError,
}

/// The program being planned.
pub(super) struct Program<'a> {
    files: &'a [(String, String)],
    pub(super) catalog: &'a Catalog,
    context: Context,
    arena: Arena,
    sources: Vec<SourceDraft>,
    source_files: Vec<usize>,
    readable: Vec<Readable>,
    relations: Vec<Relation>,
    by_name: HashMap<String, usize>,
    /// All tables as declared, by name: sinks of INSERT among them.
    pub(super) tables: HashMap<String, (usize, Table)>,
    declared: HashMap<String, &'static str>,
    /// Names whose statement failed: what reads them is not told about it again.
    broken: HashSet<String>,
    /// How often each word stands in queries.
    reads: HashMap<String, usize>,
    views: Vec<ViewSpec>,
    pub(super) sinks: Vec<super::sinks::SinkDraft>,
    pub(super) errors: Vec<SqlError>,
    file: usize,
    fallback: Span,
}

/// A plan and what is odd about its program.
#[derive(Clone, Debug, Default)]
pub struct Compiled {
    /// The plan.
    pub dataflow: Dataflow,
    /// Sources that nothing reads, and the like.
    pub warnings: Vec<Warning>,
}

/// A query that has been planned.
pub(super) struct Planned {
    pub(super) relation: Relation,
    /// The columns' names as they are shown.
    pub(super) names: Vec<String>,
}

impl<'a> Program<'a> {
    pub(super) fn new(files: &'a [(String, String)], catalog: &'a Catalog) -> Program<'a> {
        Program {
            files,
            catalog,
            context: Context::new(catalog),
            arena: Arena::default(),
            sources: Vec::new(),
            source_files: Vec::new(),
            readable: Vec::new(),
            relations: Vec::new(),
            by_name: HashMap::new(),
            tables: HashMap::new(),
            declared: HashMap::new(),
            broken: HashSet::new(),
            reads: HashMap::new(),
            views: Vec::new(),
            sinks: Vec::new(),
            errors: Vec::new(),
            file: 0,
            fallback: Span::empty(),
        }
    }

    /// Plans the whole program.
    pub(super) fn compile(mut self) -> Result<Compiled, Vec<SqlError>> {
        let placed = self.read();
        for one in &placed {
            if let Statement::View(View { query, .. })
            | Statement::Sink(statement::Sink { query, .. })
            | Statement::Insert(statement::Insert { query, .. }) = &one.statement
            {
                for token in &query.tokens {
                    if let Token::Word(word) = &token.token {
                        *self.reads.entry(word.value.to_lowercase()).or_default() += 1;
                    }
                }
            }
        }
        for one in placed {
            (self.file, self.fallback) = (one.file, one.span);
            let found = self.statement(one.statement);
            self.report(found);
        }
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
            Statement::Table(table) => self.table(table),
            Statement::View(view) => {
                if !self.declare(&view.name, "view", view.if_not_exists)? {
                    return Ok(());
                }
                let name = view.name.key();
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
        let Some(connector) = table.option("connector") else { return Ok(()) };
        let Some(found) = self.catalog.connector(&connector.value.value) else {
            if !table.source && self.catalog.sink(&connector.value.value).is_some() {
                return Ok(());
            }
            self.broken.insert(key);
            return Err(vec![self.no_connector(&connector.value, !table.source)]);
        };
        let draft = match SourceDraft::read(table, found, &self.context) {
            Ok(draft) => draft,
            Err(problems) => {
                self.broken.insert(key);
                return Err(problems);
            }
        };
        let (node, known) = draft.node(self.sources.len());
        let fields = draft.fields();
        let mut lowering = Lowering { arena: &mut self.arena, relations: &[], owner: String::new() };
        let mut relation = lowering.source(node, known);
        relation.columns.truncate(fields.len());
        let columns: Vec<String> = fields.iter().map(|field| field.name().clone()).collect();
        self.sources.push(draft);
        self.source_files.push(self.file);
        self.add(&key, Some(self.sources.len() - 1), &fields, columns, relation)
    }

    /// No such connector, and those that there are.
    pub(super) fn no_connector(&self, name: &Name, sinks_too: bool) -> Problem {
        let mut names = self.catalog.connector_names();
        if sinks_too {
            names.extend(self.catalog.sink_names());
            names.sort_unstable();
            names.dedup();
        }
        let problem = Problem::at(name.span, format!("there is no connector '{}'", name.value));
        Problem { hint: super::error::suggest(&name.value, names, "the connectors are"), ..problem }
    }

    /// Makes a relation known to the queries that follow.
    fn add(
        &mut self,
        key: &str,
        source: Option<usize>,
        fields: &[FieldRef],
        columns: Vec<String>,
        relation: Relation,
    ) -> Result<(), Vec<Problem>> {
        let schema = lower_names(fields).map_err(|error| vec![Problem::at(Span::empty(), error.strip_backtrace())])?;
        let number = self.relations.len();
        self.context.add(key.to_owned(), number, Arc::clone(schema.inner()));
        self.relations.push(relation);
        self.readable.push(Readable { name: key.to_owned(), source, columns, used: false });
        self.by_name.insert(key.to_owned(), number);
        Ok(())
    }

    /// Plans a query for `owner`. What EMIT says goes to its topmost windows.
    pub(super) fn query(&mut self, body: &Body, owner: &str) -> Result<Option<Planned>, Vec<Problem>> {
        let words = |token: &TokenWithSpan| match &token.token {
            Token::Word(word) => Some(word.value.to_lowercase()),
            _ => None,
        };
        let mentioned: HashSet<String> = body.tokens.iter().filter_map(words).collect();
        if mentioned.iter().any(|word| self.broken.contains(word) && !self.by_name.contains_key(word)) {
            return Ok(None);
        }
        let parsed = query::parse(&body.tokens).map_err(|problem| vec![problem])?;
        self.check_readable(&body.tokens, &mentioned)?;
        let planned = query::plan(&self.context, parsed);
        let plan = planned.map_err(|error| self.problems(error, &body.tokens))?;
        let emit = body.emit.map(|(emit, _)| emit);
        let mut lowering = Lowering { arena: &mut self.arena, relations: &self.relations, owner: owner.to_owned() };
        let lowered = lowering.lower(&plan, emit);
        let relation = lowered.map_err(|error| self.problems(error, &body.tokens))?;
        let mut spellings = Spellings::default();
        spellings.aliases(&body.tokens);
        for (key, number) in &self.by_name {
            if mentioned.contains(key) {
                self.readable[*number].used = true;
            }
        }
        for readable in self.readable.iter().filter(|readable| mentioned.contains(&readable.name)) {
            readable.columns.iter().for_each(|column| spellings.declare(column));
        }
        let names: Vec<String> = plan.schema().fields().iter().map(|field| spellings.spell(field.name())).collect();
        for (at, name) in names.iter().enumerate() {
            if names[..at].iter().any(|other| other.eq_ignore_ascii_case(name)) {
                let span = super::names::place_of(&body.tokens, name).unwrap_or_else(Span::empty);
                return Err(vec![
                    Problem::at(span, format!("the column '{name}' is there twice"))
                        .hint("name one of them: AS other_name"),
                ]);
            }
        }
        Ok(Some(Planned { relation, names }))
    }

    /// Tables that cannot be read, refused where they stand in FROM.
    fn check_readable(&self, tokens: &[TokenWithSpan], mentioned: &HashSet<String>) -> Result<(), Vec<Problem>> {
        for (key, (_, table)) in &self.tables {
            if !mentioned.contains(key) || self.by_name.contains_key(key) {
                continue;
            }
            // A column may bear the name too: only a word in FROM is the table.
            let after = |pair: &[TokenWithSpan]| {
                let name = matches!(&pair[1].token, Token::Word(word) if word.value.to_lowercase() == *key);
                let from = ["from", "join", "table"].iter().any(|word| is_word(&pair[0].token, word))
                    || pair[0].token == Token::Comma;
                (name && from).then_some(pair[1].span)
            };
            let Some(span) = tokens.windows(2).find_map(after) else { continue };
            let name = &table.name.value;
            return Err(vec![match table.option("connector") {
                None => Problem::at(span, format!("the reference table '{name}' cannot be read yet"))
                    .hint("reference tables come with joins; a file can be read as a source: WITH ('connector' = 'filesystem', ...)"),
                Some(connector) => {
                    let connector = &connector.value.value;
                    Problem::at(span, format!("'{name}' is written only: the connector '{connector}' is a sink"))
                        .hint("write to it: INSERT INTO name SELECT ...")
                }
            }]);
        }
        Ok(())
    }

    fn problems(&self, error: DataFusionError, tokens: &[TokenWithSpan]) -> Vec<Problem> {
        let relations: Vec<String> = self.readable.iter().map(|readable| readable.name.clone()).collect();
        let functions = self.context.function_names();
        problems(error, &Known { tokens, relations: &relations, functions: &functions })
    }

    /// The relation with its rows computed: a node and the places of its columns.
    pub(super) fn run(
        &mut self,
        relation: Relation,
        owner: &str,
        tokens: &[TokenWithSpan],
    ) -> Result<(NodeId, Vec<usize>), Vec<Problem>> {
        let mut lowering = Lowering { arena: &mut self.arena, relations: &self.relations, owner: owner.to_owned() };
        let run = lowering.run(relation);
        let relation = run.map_err(|error| self.problems(error, tokens))?;
        Ok((relation.node, relation.columns.iter().filter_map(as_column).collect()))
    }

    /// Whether EMIT FINAL stands where nothing is ever final.
    pub(super) fn check_emit(&self, body: &Body, node: NodeId) -> Result<(), Vec<Problem>> {
        let Some((Emit::Final, span)) = body.emit else { return Ok(()) };
        if self.arena.facts(node).append_only || self.arena.known(node).closes {
            return Ok(());
        }
        Err(vec![
            Problem::at(span, "EMIT FINAL stands where no result is ever final: nothing closes its groups").hint(
                "group by a window (TABLE(TUMBLE(...)) ... GROUP BY window_start, window_end), or leave EMIT out",
            ),
        ])
    }

    pub(super) fn lowering(&mut self, owner: &str) -> Lowering<'_> {
        Lowering { arena: &mut self.arena, relations: &self.relations, owner: owner.to_owned() }
    }

    pub(super) fn arena(&self) -> &Arena {
        &self.arena
    }

    fn view(&mut self, view: View) -> Result<(), Vec<Problem>> {
        if let Some(option) = view.options.first() {
            return Err(vec![
                Problem::at(option.name.span, format!("unknown option '{}' for a view", option.name.value))
                    .hint("views have no options"),
            ]);
        }
        let Some(Planned { relation, mut names }) = self.query(&view.query, &view.name.value)? else {
            self.broken.insert(view.name.key());
            return Ok(());
        };
        if !view.columns.is_empty() {
            if view.columns.len() != names.len() {
                let message = format!("the view names {} columns, its query has {}", view.columns.len(), names.len());
                return Err(vec![Problem::at(view.columns[0].span, message)]);
            }
            names = view.columns.iter().map(|name| name.value.clone()).collect();
        }
        let mut relation = relation;
        let read = self.reads.get(&view.name.key()).copied().unwrap_or(0);
        // Readers of a view share what it computes. Windows stay open to being taken in by a grouping.
        if relation.pending.is_none() && (view.materialized || read > 1) {
            let mut lowering = self.lowering(&view.name.value);
            let settled = lowering.settle(relation);
            relation = settled.map_err(|error| self.problems(error, &view.query.tokens))?;
        }
        let types = self.types(&relation).map_err(|error| self.problems(error, &view.query.tokens))?;
        let fields: Vec<FieldRef> =
            names.iter().zip(types).map(|(name, data_type)| Arc::new(Field::new(name, data_type, true))).collect();
        if view.materialized {
            let (node, columns) = self.run(relation.clone(), &view.name.value, &view.query.tokens)?;
            self.check_emit(&view.query, node)?;
            let facts = self.arena.facts(node);
            let (_, text) = &self.files[self.file];
            self.views.push(ViewSpec {
                name: view.name.value.clone(),
                node,
                schema: Arc::new(Schema::new(fields.clone())),
                key: self.arena.key_among(node, &columns),
                closes: facts.closes,
                columns,
                emit: self.arena.known(node).emits.unwrap_or(Emit::Changes),
                sql: slice(text, view.query.span).to_owned(),
                options: Options::default(),
            });
        } else if view.query.emit.is_some_and(|(emit, _)| emit == Emit::Final) && relation.pending.is_none() {
            self.check_emit(&view.query, relation.node)?;
        }
        self.add(&view.name.key(), None, &fields, names, relation)
    }

    /// The types of a relation's columns.
    pub(super) fn types(&self, relation: &Relation) -> datafusion_common::Result<Vec<arrow_schema::DataType>> {
        let mut fields: Vec<FieldRef> = self.arena.schema(relation.node).fields().iter().cloned().collect();
        fields.extend(
            super::window_node::WINDOW_COLUMNS.map(|name| Arc::new(Field::new(name, super::column_type::TIME, true))),
        );
        let schema = Schema::new(fields);
        relation.columns.iter().map(|column| column.data_type(&schema)).collect()
    }

    fn finish(mut self) -> Result<Compiled, Vec<SqlError>> {
        if !self.errors.is_empty() {
            return Err(self.errors);
        }
        let mut sinks: Vec<SinkPlan> = self.finish_sinks();
        let mut views = std::mem::take(&mut self.views);
        let pruned = match prune(&self.arena.nodes, self.sources.len(), &mut views, &mut sinks) {
            Ok(pruned) => pruned,
            Err(error) => {
                let found = self.problems(error, &[]);
                self.report(Err(found));
                return Err(self.errors);
            }
        };
        let mut nodes = pruned.nodes;
        let mut specs = Vec::new();
        let mut number = vec![0; self.sources.len()];
        let mut warnings = Vec::new();
        for (at, kept) in pruned.sources.iter().enumerate() {
            let draft = &self.sources[at];
            let (name, text) = &self.files[self.source_files[at]];
            let span = draft.table.name.span;
            let all: Vec<usize> = (0..draft.fields().len()).collect();
            let key = draft.table.name.key();
            let written = self.sinks.iter().any(|sink| sink.key() == key);
            if kept.is_none() && written {
                continue;
            }
            match draft.finish(kept.as_ref().unwrap_or(&all)) {
                Ok(spec) if kept.is_some() => {
                    number[at] = specs.len();
                    specs.push(spec);
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
            if let crate::plan::Op::Source { source } = &mut node.op {
                *source = number[*source];
            }
        }
        if self.errors.is_empty() {
            Ok(Compiled { dataflow: Dataflow { sources: specs, nodes, views, sinks }, warnings })
        } else {
            Err(self.errors)
        }
    }
}
