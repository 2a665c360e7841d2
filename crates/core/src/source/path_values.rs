//! Columns that a file has not because its path tells their value: `k=1/part-0.json`, as sinks write `PARTITIONED BY`.

use std::io;
use std::path::Path;

use arrow_array::ArrayRef;

use super::beside::{Beside, without};
use super::{SourceError, SourceSpec};
use crate::format::{self, Layout};
use crate::options::{OptionError, OptionSpec};
use crate::type_names::sql_type;

/// The option that says what stands for NULL.
pub(super) const DEFAULT_NAME: OptionSpec = OptionSpec {
    name: "partition.default-name",
    help: "what stands for NULL in folders by partition, as k=1/ (default __DEFAULT_PARTITION__)",
};

/// What stands for NULL in the names of folders.
pub(super) fn default_name(spec: &SourceSpec) -> Result<&str, OptionError> {
    let name = spec.options.get(DEFAULT_NAME.name).unwrap_or(format::DEFAULT_PARTITION);
    match format::is_partition_name(name) {
        true => Ok(name),
        false => Err(OptionError::Invalid {
            name: DEFAULT_NAME.name.to_owned(),
            value: name.to_owned(),
            reason: "it is the name of a folder: write letters, digits, _ or -".to_owned(),
        }),
    }
}

/// What the path of `file` tells, and how the rest of the columns is read from it; `None` if it tells nothing.
pub(super) fn path_values(
    spec: &SourceSpec,
    file: &Path,
    layout: &Layout,
) -> Result<Option<(Beside, Layout)>, SourceError> {
    let told = format::told_by(file, default_name(spec)?);
    let value = |name: &str| told.iter().find(|(column, _)| column == name).map(|(_, value)| value.as_deref());
    let fields = layout.physical.fields();
    if !fields.iter().any(|field| value(field.name()).is_some()) {
        return Ok(None);
    }
    let refused = |what: String| SourceError::Io {
        source_name: spec.name.clone(),
        what: format!("reading {}", file.display()),
        error: io::Error::new(io::ErrorKind::InvalidData, what),
    };
    let column = |field: &arrow_schema::FieldRef| -> Result<Option<ArrayRef>, SourceError> {
        let Some(value) = value(field.name()) else { return Ok(None) };
        let (name, kind) = (field.name(), field.data_type());
        match value {
            None if !field.is_nullable() => {
                Err(refused(format!("its folder says that '{name}' is NULL, declared NOT NULL")))
            }
            None => Ok(Some(arrow_array::new_null_array(kind, 1))),
            Some(text) => format::read_value(text, kind, spec.zone).map(Some).ok_or_else(|| {
                refused(format!("its folder says that '{name}' is '{text}', which is no {}", sql_type(kind)))
            }),
        }
    };
    let told = layout.wanted.fields().iter().map(column).collect::<Result<Vec<_>, _>>()?;
    let inside = without(layout, |at| value(fields[at].name()).is_some());
    Ok(Some((Beside::new(&layout.wanted, told), inside)))
}
