//! Which columns are instants in a session in UTC, where an instant is a time like any other: what has types, Parquet and Arrow, is
//! told by a mark on the field ([`highwater_core::format::as_instant`]), which columns keep on their way through a query.

use std::sync::Arc;

use arrow_schema::FieldRef;

use crate::parse::column_type::in_zone;
use crate::parse::ddl::{ColumnKind, Table};
use highwater_core::format::as_instant;
use highwater_core::time::Zone;

/// Gives declared columns the types that they have in a session in this zone.
pub(super) fn in_session(table: &mut Table, zone: Zone) {
    for column in &mut table.columns {
        if let ColumnKind::Physical(data_type, _) = &mut column.kind {
            *data_type = in_zone(data_type, zone);
        }
    }
}

/// Which of its columns a table declares as instants.
pub(super) fn declared(table: &Table) -> Vec<bool> {
    table.columns.iter().map(|column| column.instant).collect()
}

/// The same of those that rows have, for a table that is written to.
pub(super) fn written(table: &Table) -> Vec<bool> {
    let rows = table.columns.iter().filter(|column| matches!(column.kind, ColumnKind::Physical(..)));
    rows.map(|column| column.instant).collect()
}

/// The fields, those of instants marked.
pub(super) fn marked(fields: &[FieldRef], instants: &[bool]) -> Vec<FieldRef> {
    let mark = |(field, &instant): (&FieldRef, &bool)| match instant {
        true => Arc::new(as_instant(field.as_ref().clone())),
        false => Arc::clone(field),
    };
    let rest = fields.iter().skip(instants.len()).cloned();
    fields.iter().zip(instants).map(mark).chain(rest).collect()
}
