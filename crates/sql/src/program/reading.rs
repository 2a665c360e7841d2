//! Queries of a program: planned against what has been declared so far, lowered into its arena; and the views they make.

use std::collections::HashSet;
use std::sync::Arc;

use arrow_schema::{Field, FieldRef, Schema};
use datafusion_common::DataFusionError;
use datafusion_sql::sqlparser::ast::Query;
use datafusion_sql::sqlparser::tokenizer::{Span, Token, TokenWithSpan};

use super::source_draft::{option_problem, options_of};
use crate::lower::{Arena, Lowering, Relation};
use crate::parse::error::Problem;
use crate::parse::statement::{Body, View};
use crate::parse::token::{is_word, slice};
use crate::program::Program;
use crate::query;
use crate::query::diagnose::{Known, NOT_OF, problems};
use crate::query::locate::{locate, negation, said};
use crate::syntax::names::Spellings;
use highwater_core::counted::counted;
use highwater_core::options::{OptionSpec, Options};
use highwater_core::plan::{Chart, Emit, NodeId, ViewSpec};

/// The options of a published view.
const VIEW_OPTIONS: &[OptionSpec] = &[
    OptionSpec { name: "max-rows", help: "how many rows are kept: closed ones, oldest first, make room" },
    OptionSpec { name: "alert", help: "its rows are alerts of this severity: info, low, medium, high or critical" },
    OptionSpec {
        name: "chart",
        help: "how the dashboard draws it: lines, bars, distribution, number or none, then if wanted a column, then `by` a column",
    },
];

/// How bad an alert can be.
const SEVERITIES: &[(&str, ())] = &[("info", ()), ("low", ()), ("medium", ()), ("high", ()), ("critical", ())];

/// A query that has been planned.
pub(crate) struct Planned {
    pub(crate) relation: Relation,
    /// The columns' names as they are shown.
    pub(crate) names: Vec<String>,
}

/// The words of a query that may be relations: behind FROM, JOIN, TABLE, a comma or a parenthesis, and no qualifier.
pub(crate) fn relations_in(tokens: &[TokenWithSpan]) -> impl Iterator<Item = String> {
    (1..tokens.len()).filter_map(|at| {
        let Token::Word(word) = &tokens[at].token else { return None };
        let before = &tokens[at - 1].token;
        let opens = ["from", "join", "table"].iter().any(|word| is_word(before, word));
        let behind = tokens.get(at + 1).map(|token| &token.token);
        let qualifies = matches!(behind, Some(Token::Period | Token::LParen));
        let listed = matches!(before, Token::Comma | Token::LParen | Token::RArrow);
        ((opens || listed) && !qualifies).then(|| word.value.to_lowercase())
    })
}

impl Program<'_> {
    /// Plans a query for `owner`. What EMIT says goes to its topmost windows.
    pub(crate) fn query(&mut self, body: &Body, owner: &str) -> Result<Option<Planned>, Vec<Problem>> {
        self.query_of(body, owner, false)
    }

    /// The same; of columns known by their places several may have one name.
    pub(crate) fn query_of(
        &mut self,
        body: &Body,
        owner: &str,
        by_place: bool,
    ) -> Result<Option<Planned>, Vec<Problem>> {
        let mentioned: HashSet<String> = relations_in(&body.tokens).collect();
        if mentioned.iter().any(|word| self.broken.contains(word) && !self.by_name.contains_key(word)) {
            return Ok(None);
        }
        let key = |name: &str| {
            let (_, table) = self.tables.get(name)?;
            Some(table.primary_key.iter().map(|column| column.value.to_lowercase()).collect())
        };
        let (parsed, versions) =
            query::parse(&body.tokens, by_place, &key, self.context.callable()).map_err(|problem| vec![problem])?;
        self.check_readable(&body.tokens, &mentioned)?;
        let planned = query::plan(&self.context, parsed.clone());
        let plan = planned.map_err(|error| self.placed_problems(error, &parsed, &body.tokens))?;
        let emit = body.emit.map(|(emit, _)| emit);
        let mut lowering = self.lowering(owner);
        let lowered = lowering.lower(&plan, emit);
        let found = lowering.versions.len();
        let relation = lowered.map_err(|error| self.problems(error, &body.tokens))?;
        if found != versions {
            let at = body.tokens.iter().find(|token| is_word(&token.token, "system_time"));
            let span = at.map_or_else(Span::empty, |token| token.span);
            let problem = Problem::at(span, "FOR SYSTEM_TIME AS OF cannot be planned in this query");
            return Err(vec![problem.hint("put the join into a view of its own")]);
        }
        let mut spellings = Spellings::default();
        spellings.aliases(&body.tokens);
        let made_of = self.arena.made_of.entry(owner.to_lowercase()).or_default();
        for (key, number) in &self.by_name {
            if mentioned.contains(key) {
                self.readable[*number].used = true;
                made_of.insert(key.clone());
            }
        }
        for readable in self.readable.iter().filter(|readable| mentioned.contains(&readable.name)) {
            readable.spellings.iter().for_each(|column| spellings.declare(column));
        }
        let names: Vec<String> = plan.schema().fields().iter().map(|field| spellings.spell(field.name())).collect();
        let mut taken = HashSet::with_capacity(names.len());
        for name in &names {
            if !taken.insert(name.to_ascii_lowercase()) {
                return Err(vec![crate::query::diagnose::twice(name, &body.tokens)]);
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
                None => Problem::at(span, format!("the table '{name}' cannot be read here"))
                    .hint("declare it before what reads it"),
                Some(connector) => {
                    let connector = &connector.value.value;
                    Problem::at(span, format!("'{name}' is written only: the connector '{connector}' is a sink"))
                        .hint("write to it: INSERT INTO name SELECT ...")
                }
            }]);
        }
        Ok(())
    }

    /// The problems of a query that could not be planned; one without a place stands where it comes from.
    fn placed_problems(&self, error: DataFusionError, parsed: &Query, tokens: &[TokenWithSpan]) -> Vec<Problem> {
        let message = said(&error);
        let problems = self.known_problems(error, tokens);
        let placed = problems.iter().all(|problem| problem.span.start.line > 0);
        let found = if placed { None } else { locate(&self.context, parsed, &message) };
        let found = found.map(|span| if message.contains(NOT_OF) { negation(span, tokens) } else { span });
        standing_at(problems, found, tokens)
    }

    /// The problems that an error of a query stands for.
    pub(crate) fn problems(&self, error: DataFusionError, tokens: &[TokenWithSpan]) -> Vec<Problem> {
        standing_at(self.known_problems(error, tokens), None, tokens)
    }

    fn known_problems(&self, error: DataFusionError, tokens: &[TokenWithSpan]) -> Vec<Problem> {
        let relations: Vec<String> = self.readable.iter().map(|readable| readable.name.clone()).collect();
        let functions = self.context.function_names();
        problems(error, &Known { tokens, relations: &relations, functions: &functions })
    }

    /// The relation with its rows computed: a node and the places of its columns.
    pub(crate) fn run(
        &mut self,
        relation: Relation,
        owner: &str,
        tokens: &[TokenWithSpan],
    ) -> Result<(NodeId, Vec<usize>), Vec<Problem>> {
        let mut lowering = self.lowering(owner);
        let run = lowering.run(relation);
        let relation = run.map_err(|error| self.problems(error, tokens))?;
        Ok((relation.node, Lowering::places(&relation)))
    }

    /// Whether EMIT FINAL stands where nothing is ever final.
    pub(crate) fn check_emit(&self, body: &Body, node: NodeId) -> Result<(), Vec<Problem>> {
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

    pub(crate) fn lowering(&mut self, owner: &str) -> Lowering<'_> {
        Lowering::new(&mut self.arena, &self.relations, owner, self.max_rounds)
    }

    pub(crate) fn arena(&self) -> &Arena {
        &self.arena
    }

    /// The types of a relation's columns.
    pub(crate) fn types(&self, relation: &Relation) -> datafusion_common::Result<Vec<arrow_schema::DataType>> {
        let mut fields: Vec<FieldRef> = self.arena.schema(relation.node).fields().iter().cloned().collect();
        if relation.ranked.is_some() {
            let number = || Arc::new(Field::new("number", arrow_schema::DataType::Int64, false));
            fields.extend(relation.columns.iter().map(|_| number()));
        }
        fields.extend(relation.window_fields(&fields));
        let schema = Schema::new(fields);
        relation.columns.iter().map(|column| column.data_type(&schema)).collect()
    }

    /// `CREATE VIEW`: a relation to read, and a published view if it is materialized.
    pub(crate) fn view(&mut self, view: View) -> Result<(), Vec<Problem>> {
        let options = view_options(&view)?;
        let planned = self.query_of(&view.query, &view.name.value, !view.columns.is_empty())?;
        let Some(Planned { relation, mut names }) = planned else {
            self.broken.insert(view.name.key());
            return Ok(());
        };
        if !view.columns.is_empty() {
            if view.columns.len() != names.len() {
                let message =
                    format!("the view names {}, its query has {}", counted(view.columns.len(), "column"), names.len());
                return Err(vec![Problem::at(view.columns[0].span, message)]);
            }
            names = view.columns.iter().map(|name| name.value.clone()).collect();
        }
        let mut relation = relation;
        let read = self.reads.get(&view.name.key()).copied().unwrap_or(0);
        // Readers of a view share what it computes; what may fail is computed by it, whoever reads it.
        if (relation.ranked.is_none() || view.materialized)
            && (relation.fails() || (relation.pending.is_none() && (view.materialized || read > 1)))
        {
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
            // Who looks at the view sees sessions as soon as they close; who reads it further, once they are final.
            let unheld = self.arena.unheld(node).map_err(|error| self.problems(error, &view.query.tokens))?;
            let node = unheld.unwrap_or(node);
            let facts = self.arena.facts(node);
            let (_, text) = &self.files[self.file];
            let schema = Schema::new(fields.clone());
            options
                .read("chart", |text| Chart::parse(text, &schema))
                .map_err(|error| vec![option_problem(error, &view.options, &[VIEW_OPTIONS], view.name.span)])?;
            self.views.push(ViewSpec {
                name: view.name.value.clone(),
                node,
                schema: Arc::new(schema),
                key: self.arena.key_among(node, &columns),
                closes: facts.closes,
                columns,
                emit: self.arena.known(node).emits.unwrap_or(Emit::Changes),
                sql: slice(text, view.query.span).to_owned(),
                options,
            });
        } else if view.query.emit.is_some_and(|(emit, _)| emit == Emit::Final) && relation.pending.is_none() {
            self.check_emit(&view.query, relation.node)?;
        }
        self.add(&view.name.key(), None, &fields, relation)
    }
}

/// The problems, those without a place at this one, or where the query begins.
fn standing_at(mut problems: Vec<Problem>, found: Option<Span>, tokens: &[TokenWithSpan]) -> Vec<Problem> {
    let start = tokens.first().map_or_else(Span::empty, |token| token.span);
    let placeless = problems.iter_mut().filter(|problem| problem.span.start.line == 0);
    placeless.for_each(|problem| problem.span = found.unwrap_or(start));
    problems
}

/// The options of a view, checked: only published views have any.
fn view_options(view: &View) -> Result<Options, Vec<Problem>> {
    let Some(first) = view.options.first() else { return Ok(Options::default()) };
    if !view.materialized {
        let problem = Problem::at(first.name.span, "only a materialized view has options");
        return Err(vec![problem.hint("write CREATE MATERIALIZED VIEW")]);
    }
    let options = options_of(&view.options);
    let count = options.parse::<u64>("max-rows", "a number of rows");
    let severity = options.one_of("alert", SEVERITIES);
    let checked = options.check("a view", &[VIEW_OPTIONS]).and(count.map(|_| ())).and(severity.map(|_| ()));
    checked
        .map(|_| options)
        .map_err(|error| vec![option_problem(error, &view.options, &[VIEW_OPTIONS], view.name.span)])
}
