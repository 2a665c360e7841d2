//! SQL as a session: programs planned one after the other over what is there, each to nodes of its own.
//!
//! The first is the program that an engine is started with; the others are units that are installed beside it. They read the
//! sources of the program, and views and reference tables of all by their names: as leaves ([`Op::Read`]), of which is known what is known of the
//! columns that are shown. What was planned before is planned again each time for its names, so a plan depends on the texts
//! alone, and is the same in every process.

use std::sync::Arc;

use arrow_schema::{FieldRef, Schema};

use crate::Catalog;
use crate::lower::{Known, moved};
use crate::parse::ddl::Table;
use crate::parse::error::{Problem, SqlErrors};
use crate::parse::statement::View;
use crate::program::Program;
use crate::syntax::depth;
use datafusion_sql::sqlparser::tokenizer::Span;
use highwater_core::plan::{Dataflow, Facts, Node, NodeId, Op, ReadSpec, SinkPlan, ViewSpec};

/// Programs by the name of each of their files, and its text.
type Files = Vec<(String, String)>;

/// Plans one program after the other over what is there.
#[derive(Debug, Default)]
pub struct Session {
    catalog: Catalog,
    /// What is there: what each is called by who planned it, and its files.
    there: Vec<(u64, Files)>,
}

impl Session {
    /// A session in which nothing is there.
    pub fn new(catalog: Catalog) -> Session {
        Session { catalog, there: Vec::new() }
    }

    /// Plans the program that comes first, or a unit over what is there. Sources decode all of their columns, since later ones may
    /// read them. It is there once [`Session::installed`] says so.
    pub fn plan(&self, files: &[(String, String)]) -> Result<Dataflow, SqlErrors> {
        let given: Files = self.there.iter().flat_map(|(_, files)| files.clone()).collect();
        let (there, all) = (given.len(), [&given[..], files].concat());
        let planned = depth::roomy(|| Program::new(&all, &self.catalog).within(there).compile());
        let planned = planned.unwrap_or_else(|problem| {
            let (name, text) = files.first().map_or(("", ""), |(name, text)| (name.as_str(), text.as_str()));
            Err(vec![problem.in_file(name, text, Span::empty())])
        });
        planned.map(|compiled| compiled.dataflow).map_err(SqlErrors::from)
    }

    /// What was planned is there, as `unit`: the number that the engine gave it.
    pub fn installed(&mut self, unit: u64, files: &[(String, String)]) {
        self.there.push((unit, files.to_vec()));
    }

    /// That unit is there no more.
    pub fn dropped(&mut self, unit: u64) {
        self.there.retain(|(other, _)| *other != unit);
    }
}

/// What a session adds to a program.
#[derive(Debug)]
pub(crate) struct Given {
    /// How many of the files are there already.
    files: usize,
    /// Their views that are not published, which are planned anew over what is.
    plain: Vec<(usize, Plain)>,
    /// What is read of what is there.
    pub(crate) reads: Vec<ReadSpec>,
}

/// What is not published, and so made anew of what is.
#[derive(Clone, Debug)]
enum Plain {
    View(View),
    /// A table that a function of the embedder's makes.
    Related(Table),
}

impl Program<'_> {
    /// The first `files` are there already, and all columns of sources are decoded.
    pub(crate) fn within(mut self, files: usize) -> Self {
        self.given = Some(Given { files, plain: Vec::new(), reads: Vec::new() });
        self
    }

    /// Whether a file is of what is there already.
    pub(crate) fn is_there(&self, file: usize) -> bool {
        self.given.as_ref().is_some_and(|given| file < given.files)
    }

    /// Whether a file comes to what runs already.
    pub(crate) fn comes_late(&self, file: usize) -> bool {
        self.given.as_ref().is_some_and(|given| given.files > 0 && file >= given.files)
    }

    /// Sources that are there keep the times of arrival only if the program asked for them.
    pub(crate) fn asks_late_for_arrival(&self, file: usize) -> Result<(), Vec<Problem>> {
        if !self.comes_late(file) {
            return Ok(());
        }
        let message = "PROCTIME() asks when rows arrived, and the sources that run do not keep that";
        Err(vec![
            Problem::at(Span::empty(), message)
                .hint("let the program that declares the source ask for it in some view"),
        ])
    }

    /// Remembers a view that is not published.
    pub(crate) fn keep_plain(&mut self, view: &View) {
        let (file, there) = (self.file, self.is_there(self.file));
        if let Some(given) = self.given.as_mut().filter(|_| there && !view.materialized) {
            given.plain.push((file, Plain::View(view.clone())));
        }
    }

    /// Remembers a table that a function of the embedder's makes.
    pub(crate) fn keep_related(&mut self, table: &Table) {
        let (file, there) = (self.file, self.is_there(self.file));
        if let Some(given) = self.given.as_mut().filter(|_| there) {
            given.plain.push((file, Plain::Related(table.clone())));
        }
    }

    /// From here on what is there is read, and not made.
    pub(crate) fn over_what_is_there(&mut self) -> Result<(), Vec<Problem>> {
        let views = std::mem::take(&mut self.views);
        self.sinks.clear();
        for ViewSpec { name, node, columns, schema, .. } in views {
            let from = self.arena.facts(node);
            let place = |column: usize| columns.iter().position(|&shown| shown == column);
            let bounds = columns.iter().map(|&column| from.bounds[column]).collect();
            let facts = Facts { bounds, sequence: None, ..moved(from, &place) };
            let known = self.arena.known(node);
            self.leaf(&name, schema.fields().to_vec(), facts, known)?;
        }
        for (table, node) in std::mem::take(&mut self.references) {
            let facts = self.arena.facts(node).clone();
            self.leaf(table.name(), table.fields().to_vec(), facts, Known::default())?;
        }
        let plain = self.given.as_mut().map(|given| std::mem::take(&mut given.plain));
        for (file, plain) in plain.into_iter().flatten() {
            self.file = file;
            let (key, made) = match plain {
                Plain::View(view) => (view.name.key(), self.view(view)),
                Plain::Related(table) => {
                    let connector = table.option("connector").map(|option| option.value.value.as_str());
                    let found = connector.and_then(|connector| self.catalog.relation(connector)).cloned();
                    let key = table.name.key();
                    (key, found.map_or(Ok(()), |relation| self.related(table, relation)))
                }
            };
            if made.is_err() {
                self.by_name.remove(&key);
                self.context.remove(&key);
            }
        }
        Ok(())
    }

    fn leaf(&mut self, name: &str, fields: Vec<FieldRef>, facts: Facts, known: Known) -> Result<(), Vec<Problem>> {
        let Some(given) = &mut self.given else { return Ok(()) };
        let schema = Arc::new(Schema::new(fields.clone()));
        given.reads.push(ReadSpec { name: name.to_owned(), schema: schema.clone() });
        let op = Op::Read { read: given.reads.len() - 1 };
        let relation = self.lowering("").source(Node { op, inputs: Vec::new(), schema, facts }, known);
        self.add(&name.to_lowercase(), None, &fields, relation)
    }

    /// In a session: views of all columns of the sources that are to be read, of a program all of them.
    pub(crate) fn whole_sources(&self, views: &[ViewSpec], sinks: &[SinkPlan]) -> Vec<ViewSpec> {
        let Some(given) = &self.given else { return Vec::new() };
        let mut reached = vec![false; self.arena.nodes.len()];
        let roots = views.iter().map(|view| view.node).chain(sinks.iter().map(|sink| sink.node));
        roots.for_each(|node| reached[node] = true);
        for (id, node) in self.arena.nodes.iter().enumerate().rev() {
            if reached[id] {
                node.inputs.iter().for_each(|&input| reached[input] = true);
            }
        }
        let nodes = (0..self.arena.nodes.len()).filter_map(|id| match self.arena.nodes[id].op {
            Op::Source { source } => Some((id, source)),
            _ => None,
        });
        let nodes: Vec<(NodeId, usize)> = nodes.collect();
        let is_read = |source: usize| nodes.iter().any(|&(id, other)| other == source && reached[id]);
        let wanted = |source: usize| {
            let twin = self.sources[source].twin;
            is_read(source) || given.files == 0 && !twin.is_some_and(|twin| twin < source || is_read(twin))
        };
        let whole = |&(node, source): &(NodeId, usize)| {
            let schema = Arc::clone(self.arena.schema(node));
            wanted(source).then(|| ViewSpec {
                name: String::new(),
                node,
                columns: (0..schema.fields().len()).collect(),
                schema,
                key: None,
                closes: None,
                emit: highwater_core::plan::Emit::Changes,
                sql: String::new(),
                options: Default::default(),
            })
        };
        nodes.iter().filter_map(whole).collect()
    }

    /// What a plan reads of what is there, and its nodes with the places of that.
    pub(crate) fn read_ones(&mut self, nodes: &mut [Node]) -> Vec<ReadSpec> {
        let all = self.given.as_mut().map(|given| std::mem::take(&mut given.reads)).unwrap_or_default();
        let mut places = vec![None; all.len()];
        let mut used = Vec::new();
        for node in nodes {
            if let Op::Read { read } = &mut node.op {
                let place = *places[*read].get_or_insert_with(|| {
                    used.push(all[*read].clone());
                    used.len() - 1
                });
                *read = place;
            }
        }
        used
    }
}
