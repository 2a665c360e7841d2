//! `'changelog' = '...'` in the declaration of a source: rows that come and go, and what does not go with them.

use std::sync::Arc;

use arrow_row::{RowConverter, SortField};
use arrow_schema::{DataType, Field, FieldRef};

use crate::parse::ddl::{ColumnKind, Table};
use crate::parse::error::Problem;
use crate::syntax::arrival;
use highwater_core::format::Formats;
use highwater_core::options::{OptionError, Options};
use highwater_core::plan::sql_type;

/// What rows do, by the word for it: whether they are put in by their key.
const KINDS: &[(&str, bool)] = &[("retract", false), ("upsert", true)];

/// The column that says what a row does, if nothing else is said: what sinks write.
const OP: &str = "_op";

/// A source whose rows come and go.
#[derive(Clone, Debug)]
pub(crate) struct Changes {
    /// The physical column that says what a row does.
    pub(crate) op: usize,
    /// The columns of the key, by their places among all, if rows are put in by it.
    pub(crate) key: Option<Vec<usize>>,
}

/// Why a declaration is refused.
pub(crate) enum Refused {
    /// An option's value.
    Option(OptionError),
    /// Something else that is declared.
    Problem(Problem),
}

impl From<OptionError> for Refused {
    fn from(error: OptionError) -> Refused {
        Refused::Option(error)
    }
}

fn invalid(options: &Options, name: &str, reason: String) -> Refused {
    let value = options.get(name).unwrap_or_default().to_owned();
    Refused::Option(OptionError::Invalid { name: name.to_owned(), value, reason })
}

/// Reads what a declaration says of it. The column that says what a row does joins `physical` if it is not declared; those of
/// the key are never NULL.
pub(crate) fn read(
    table: &Table,
    formats: &Formats,
    options: &mut Options,
    names: &[String],
    physical: &mut Vec<FieldRef>,
) -> Result<Option<Changes>, Refused> {
    let told = formats.choose(options, "").is_ok_and(|format| format.tells_changes());
    if let Some(name) = ["changelog", "changelog.op"].into_iter().find(|name| told && options.get(name).is_some()) {
        let reason = "the format says what rows do: leave it out; with a PRIMARY KEY they are put in by it";
        return Err(invalid(options, name, reason.to_owned()));
    }
    if told {
        // What it is called is also how the format knows what it needs of a change.
        let kind = if table.primary_key.is_empty() { "retract" } else { "upsert" };
        let kind = [("changelog".to_owned(), kind.to_owned())];
        *options = options.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).chain(kind).collect();
    }
    let Some(by_key) = options.one_of("changelog", KINDS)? else {
        return match options.get("changelog.op") {
            None => Ok(None),
            Some(_) => {
                Err(invalid(options, "changelog.op", "'changelog' is missing: write 'upsert' or 'retract'".to_owned()))
            }
        };
    };
    if options.get("dedup.key").is_some() {
        let reason =
            "a row that is taken back has the key of the one that was added: leave it out, or leave 'changelog' out";
        return Err(invalid(options, "dedup.key", reason.to_owned()));
    }
    columns(table, by_key)?;
    let key = match (by_key, table.primary_key.as_slice()) {
        (false, _) => None,
        (true, []) => {
            let reason = "in the place of which row is one put? Declare PRIMARY KEY (column) NOT ENFORCED";
            return Err(invalid(options, "changelog", reason.to_owned()));
        }
        (true, key) => {
            let place =
                |key: &crate::parse::token::Name| names.iter().position(|name| name.eq_ignore_ascii_case(&key.value));
            Some(key.iter().filter_map(place).collect::<Vec<_>>())
        }
    };
    for &column in key.iter().flatten() {
        if let Some(field) = physical.iter_mut().find(|field| *field.name() == names[column]) {
            *field = Arc::new(field.as_ref().clone().with_nullable(false));
        }
    }
    let op = options.get("changelog.op").unwrap_or(OP).trim();
    let op = match physical.iter().position(|field| field.name().eq_ignore_ascii_case(op)) {
        Some(at) if *physical[at].data_type() == DataType::Utf8 => at,
        Some(at) => {
            let found = table.columns.iter().find(|column| column.name.value.eq_ignore_ascii_case(op));
            let span = found.map_or(table.name.span, |column| column.name.span);
            let kind = sql_type(physical[at].data_type());
            let message = format!("the column '{op}' says what a row does, and is of type {kind}");
            return Err(Refused::Problem(
                Problem::at(span, message).hint("declare it as VARCHAR, or name another one: 'changelog.op' = '...'"),
            ));
        }
        None => {
            physical.push(Arc::new(Field::new(op, DataType::Utf8, true)));
            physical.len() - 1
        }
    };
    Ok(Some(Changes { op, key }))
}

/// Refuses columns of which two rows that are the same have different values, or that cannot be compared.
fn columns(table: &Table, by_key: bool) -> Result<(), Refused> {
    for column in &table.columns {
        let refuse = |what: String, hint: &str| Err(Refused::Problem(Problem::at(column.name.span, what).hint(hint)));
        let name = &column.name.value;
        match &column.kind {
            ColumnKind::Computed(tokens) if arrival::is_call(tokens) => {
                return refuse(
                    format!("'{name}' is when a row arrives, and a row that is taken back arrives at another time"),
                    "leave it out, or leave 'changelog' out and read what happens as rows",
                );
            }
            ColumnKind::Physical(..) if !by_key && column.metadata.is_some() => {
                return refuse(
                    format!("'{name}' is METADATA, and a row that is taken back comes with another one"),
                    "leave it out, or let rows be put in by key: 'changelog' = 'upsert'",
                );
            }
            ColumnKind::Physical(kind, _)
                if holds_map(kind) || !RowConverter::supports_fields(&[SortField::new(kind.clone())]) =>
            {
                return refuse(
                    format!("rows of a changelog are compared, and '{name}' is of type {}", sql_type(kind)),
                    "declare it as VARCHAR, a number, BOOLEAN, BYTES, DATE, TIME, TIMESTAMP(3), ROW or ARRAY",
                );
            }
            _ => {}
        }
    }
    Ok(())
}

/// Whether values of a type are maps, or hold some: with their keys in another order they would be others.
fn holds_map(kind: &DataType) -> bool {
    match kind {
        DataType::Map(..) => true,
        DataType::List(item) => holds_map(item.data_type()),
        DataType::Struct(fields) => fields.iter().any(|field| holds_map(field.data_type())),
        _ => false,
    }
}
