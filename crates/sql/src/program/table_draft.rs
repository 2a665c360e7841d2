//! A declared reference table: `CREATE TABLE name (column TYPE, ... PRIMARY KEY ...)` without a connector.

use std::sync::Arc;

use arrow_row::{RowConverter, SortField};
use arrow_schema::{DataType, Field, FieldRef, Schema};

use super::source_draft::{SourceDraft, options_of};
use crate::lower::Known;
use crate::parse::ddl::{ColumnKind, Table};
use crate::parse::error::Problem;
use crate::program::Program;
use crate::query::context::Context;
use highwater_core::format::{self, Layout};
use highwater_core::plan::{Emit, Facts, Node, Op, TableSpec, ViewSpec};
use highwater_core::source::SourceSpec;

/// A reference table as declared.
#[derive(Clone, Debug)]
pub(crate) struct TableDraft {
    name: String,
    fields: Vec<FieldRef>,
    key: Vec<usize>,
    initial: Option<SourceSpec>,
    table: Table,
}

impl TableDraft {
    /// Reads a declaration.
    pub(crate) fn read(program: &Program<'_>, table: Table, context: &Context) -> Result<TableDraft, Vec<Problem>> {
        let name = table.name.value.clone();
        let refuse = |problem: Problem| Err(vec![problem]);
        let at_name = |message: String| Problem::at(table.name.span, message);
        if let Some(watermark) = &table.watermark {
            let message = format!("'{name}' has a watermark but no connector that brings rows in event time");
            return refuse(Problem::at(watermark.column.span, message).hint(
                "leave the watermark out for a table that is changed over REST, or add WITH ('connector' = '...')",
            ));
        }
        if table.primary_key.is_empty() {
            return refuse(at_name(format!("the table '{name}' has neither a connector nor a primary key")).hint(
                "a table that is changed over REST says what tells its rows apart: name VARCHAR PRIMARY KEY; \
                 a stream has a connector: WITH ('connector' = '...')",
            ));
        }
        let mut fields: Vec<FieldRef> = Vec::new();
        for column in &table.columns {
            if let Some(metadata) = &column.metadata {
                let message =
                    format!("'{}' is METADATA, and rows of '{name}' are what requests say", column.name.value);
                return refuse(
                    Problem::at(metadata.span, message).hint("leave METADATA out: the rows bring the column"),
                );
            }
            let ColumnKind::Physical(data_type, nullable) = &column.kind else {
                let message =
                    format!("'{}' is computed, and rows of '{name}' are what requests say", column.name.value);
                return refuse(
                    Problem::at(column.name.span, message).hint("compute it in the query that reads the table"),
                );
            };
            let in_key = table.primary_key.iter().any(|key| key.key() == column.name.key());
            let field = Field::new(&column.name.value, data_type.clone(), *nullable && !in_key);
            let schema = Arc::new(Schema::new(vec![field.clone()]));
            let readable = Layout::new(&schema, &[0], &Default::default()).and_then(|layout| {
                let json = format::find("json").ok_or_else(|| format::FormatError::Schema {
                    what: "there is no format 'json'".to_owned(),
                    remedy: "add it".to_owned(),
                })?;
                json.decoding(&layout, &Default::default()).map(drop)
            });
            let ordered = RowConverter::supports_fields(&[SortField::new(data_type.clone())]);
            // Maps with their keys in another order would be other keys.
            let map = matches!(data_type, DataType::Map(..));
            if readable.is_err() || !ordered || (in_key && map) {
                let message = format!("column '{}' of the table '{name}' has a type it cannot hold", column.name.value);
                return refuse(
                    Problem::at(column.name.span, message)
                        .hint("declare it as VARCHAR, a number, BOOLEAN, TIMESTAMP(3) or DATE"),
                );
            }
            fields.push(Arc::new(field));
        }
        let place =
            |key: &crate::parse::token::Name| fields.iter().position(|f| f.name().eq_ignore_ascii_case(&key.value));
        let key = table.primary_key.iter().filter_map(place).collect();
        let initial = match table.options.first() {
            None => None,
            Some(first) if table.option("path").is_none() => {
                let message = format!("'{}' says nothing of a table without a connector", first.name.value);
                return refuse(Problem::at(first.name.span, message).hint(
                    "'path' and 'format' name a file with its first rows; a stream has a connector: 'connector' = '...'",
                ));
            }
            Some(_) if let Some(option) = table.option("changelog") => {
                let message = format!("the first rows of the table '{name}' are rows as they are, and no changes");
                return refuse(
                    Problem::at(option.name.span, message)
                        .hint("leave 'changelog' out, or read the changes as a source with a connector"),
                );
            }
            Some(_) => {
                let Some(files) = program.catalog.connector("filesystem") else {
                    return refuse(at_name("there is no connector 'filesystem' to read its first rows".to_owned()));
                };
                if files.live(&options_of(&table.options)) {
                    return refuse(
                        at_name(format!("the table '{name}' is read once, when it starts: it cannot watch for files"))
                            .hint("leave 'source.monitor-interval' out; rows that come later are sent over REST"),
                    );
                }
                let draft = SourceDraft::read(table.clone(), files, context, false)?;
                Some(draft.finish(&(0..fields.len()).collect::<Vec<_>>(), false).map_err(|problem| vec![problem])?)
            }
        };
        Ok(TableDraft { name, fields, key, initial, table })
    }

    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Its columns.
    pub(crate) fn fields(&self) -> &[FieldRef] {
        &self.fields
    }

    /// Its node as the table with that number, and what is known of it.
    pub(crate) fn node(&self, table: usize) -> (Node, Known) {
        let facts = Facts {
            append_only: false,
            key: Some(self.key.clone()),
            bounds: vec![None; self.fields.len()],
            ..Facts::default()
        };
        let schema = Arc::new(Schema::new(self.fields.clone()));
        (Node { op: Op::Table { table }, inputs: Vec::new(), schema, facts }, Known::default())
    }

    /// The table, whose node is `node`.
    pub(crate) fn finish(&self, node: usize) -> TableSpec {
        let view = ViewSpec {
            name: self.name.clone(),
            node,
            columns: (0..self.fields.len()).collect(),
            schema: Arc::new(Schema::new(self.fields.clone())),
            key: Some(self.key.clone()),
            closes: None,
            emit: Emit::Changes,
            sql: String::new(),
            options: options_of(&self.table.options),
        };
        TableSpec { view, initial: self.initial.clone() }
    }
}
