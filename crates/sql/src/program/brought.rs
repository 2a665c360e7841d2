//! What an embedder brings along, in statements: `CREATE FUNCTION`, and tables that a function of the embedder's makes of others,
//! `CREATE TABLE name (column TYPE, ...) WITH ('connector' = 'function', 'reads' = 'view, ...')`.

use std::sync::Arc;

use arrow_schema::{Field, FieldRef, Schema, SchemaRef};
use datafusion_sql::sqlparser::tokenizer::Span;

use super::source_draft::{option_problem, options_of};
use crate::lower::{Known, Relation};
use crate::parse::ddl::{ColumnKind, Table};
use crate::parse::error::{Problem, suggest};
use crate::parse::token::Name;
use crate::program::Program;
use highwater_core::counted::counted;
use highwater_core::options::OptionSpec;
use highwater_core::plan::{self, Facts, Node, NodeId, Op, RelationSpec};

const OPTIONS: &[OptionSpec] = &[
    OptionSpec { name: "connector", help: "the function that makes its rows" },
    OptionSpec { name: "reads", help: "the views and tables that it is made of, with commas between them" },
];

impl Program<'_> {
    /// `CREATE FUNCTION`: what runs is the function registered under that name, not the class that the statement names.
    pub(super) fn function(&self, name: &Name) -> Result<(), Vec<Problem>> {
        let known = self.context.function_names();
        if known.contains(&name.key()) {
            return Ok(());
        }
        let message = format!("no function '{}' is registered, and classes are not loaded", name.value);
        let near = suggest(&name.value, known.iter().map(String::as_str), "registered are");
        let near = near.filter(|hint| hint.starts_with("did")).map(|hint| format!("; {hint}")).unwrap_or_default();
        Err(vec![Problem::at(name.span, message).hint(format!(
            "embed the engine and register it: Highwater::builder().function(...) or .aggregate(...){near}"
        ))])
    }

    /// No such connector, and those that there are.
    pub(crate) fn no_connector(&self, name: &Name, sinks_too: bool) -> Problem {
        if let Some(left_out) = self.catalog.left_out(&name.value) {
            let message = format!("the connector '{}' is not built in", left_out.name);
            let hint = format!("build with the feature `{}` of the package highwater", left_out.feature);
            return Problem::at(name.span, message).hint(hint);
        }
        let mut names = self.catalog.connector_names();
        names.extend(self.catalog.relation_names());
        if sinks_too {
            names.extend(self.catalog.sink_names());
            names.sort_unstable();
            names.dedup();
        }
        let problem = Problem::at(name.span, format!("there is no connector '{}'", name.value));
        Problem { hint: suggest(&name.value, names, "the connectors are"), ..problem }
    }

    /// The versions of functions and relations that the program names.
    pub(super) fn versions(&self) -> Vec<(String, u64)> {
        let texts: Vec<String> = self.files.iter().map(|(_, text)| text.to_lowercase()).collect();
        self.catalog.versions_of(|name| {
            let apart = |c: char| !c.is_alphanumeric() && !"_-.".contains(c);
            texts.iter().any(|text| text.split(apart).any(|word| word == name))
        })
    }

    /// A table that `relation` makes.
    pub(crate) fn related(&mut self, table: Table, relation: plan::Relation) -> Result<(), Vec<Problem>> {
        let key = table.name.key();
        let made = self.made(table, relation);
        if made.is_err() {
            self.broken.insert(key);
        }
        made
    }

    fn made(&mut self, table: Table, relation: plan::Relation) -> Result<(), Vec<Problem>> {
        let (name, span) = (&table.name.value, table.name.span);
        let fields = fields(&table)?;
        let options = options_of(&table.options);
        let refuse = |error| vec![option_problem(error, &table.options, &[OPTIONS], span)];
        let owner = format!("the table '{name}'");
        options.check(&owner, &[OPTIONS]).map_err(refuse)?;
        let reads = options.required("reads", &owner, OPTIONS[1].help).map_err(refuse)?;
        let reads: Vec<&str> = reads.split(',').map(str::trim).filter(|read| !read.is_empty()).collect();
        let place = table.option("reads").map_or(span, |option| option.value.span);
        if reads.len() != relation.inputs() {
            let (takes, given) = (counted(relation.inputs(), "relation"), reads.len());
            let message = format!("'{}' makes rows of {takes}, and '{name}' reads {given}", relation.name());
            return Err(vec![
                Problem::at(place, message).hint("name each once, with commas between them: 'reads' = 'a, b'"),
            ]);
        }
        let inputs: Vec<(NodeId, (String, SchemaRef))> =
            reads.iter().map(|read| self.read_by(read, name, place)).collect::<Result<_, _>>()?;
        let (inputs, reads) = inputs.into_iter().unzip();
        let spec = RelationSpec { relation, table: name.clone(), reads };
        let facts = Facts { bounds: vec![None; fields.len()], ..Facts::default() };
        let schema = Arc::new(Schema::new(fields.clone()));
        let mut lowering = self.lowering(name);
        let made = lowering.source(Node { op: Op::Relation(spec), inputs, schema, facts }, Known::default());
        self.add(&table.name.key(), None, &fields, made)
    }

    /// What is read under a name, as a node that has its columns and no others.
    fn read_by(&mut self, read: &str, of: &str, place: Span) -> Result<(NodeId, (String, SchemaRef)), Vec<Problem>> {
        let key = read.to_lowercase();
        let Some(&number) = self.by_name.get(&key) else {
            let message = format!("there is no view or table '{read}' before '{of}'");
            let names = self.readable.iter().map(|readable| readable.name.as_str());
            return Err(vec![Problem { hint: suggest(read, names, "there are"), ..Problem::at(place, message) }]);
        };
        self.readable[number].used = true;
        let (fields, relation) = (self.readable[number].fields.clone(), self.relations[number].clone());
        let (node, columns) = self.run(relation, of, &[])?;
        let mut lowering = self.lowering(of);
        let relation: Relation = lowering.columns_of_node(node, &columns);
        let node = lowering.only(relation).map_err(|error| self.problems(error, &[]))?;
        let fields = fields.iter().zip(self.arena.schema(node).fields());
        let named = |(shown, field): (&FieldRef, &FieldRef)| field.as_ref().clone().with_name(shown.name());
        let schema = Arc::new(Schema::new(fields.map(named).collect::<Vec<Field>>()));
        Ok((node, (read.to_owned(), schema)))
    }
}

/// The declared columns.
fn fields(table: &Table) -> Result<Vec<FieldRef>, Vec<Problem>> {
    let name = &table.name.value;
    let refused = |span: Span, what: &str, hint: &str| {
        vec![Problem::at(span, format!("'{name}' is made by a function of the program, {what}")).hint(hint)]
    };
    if let Some(watermark) = &table.watermark {
        let hint = "leave the watermark out: its changes come at the epochs of what it is made of";
        return Err(refused(watermark.column.span, "and has no watermark of its own", hint));
    }
    if let Some(key) = table.primary_key.first() {
        return Err(refused(key.span, "and nothing holds it to a key", "leave PRIMARY KEY out"));
    }
    if table.columns.is_empty() {
        return Err(refused(table.name.span, "which does not say its columns", "declare them: (a BIGINT, b VARCHAR)"));
    }
    let field = |column: &crate::parse::ddl::Column| match (&column.kind, &column.metadata) {
        (ColumnKind::Physical(data_type, nullable), None) => {
            Ok(Arc::new(Field::new(&column.name.value, data_type.clone(), *nullable)))
        }
        _ => Err(refused(
            column.name.span,
            "which makes all of its columns",
            "compute it in a view that reads the table",
        )),
    };
    table.columns.iter().map(field).collect()
}
