//! Columns that a file has not because its path tells their value: `k=1/part-0.json`, as sinks write `PARTITIONED BY`.
//!
//! Invariant: what leaves the reader has the wanted columns in their order, wherever each came from.

use std::io;
use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow_schema::{Schema, SchemaRef};

use super::{Decoded, SourceError, SourceSpec};
use crate::format::{self, Layout};
use crate::options::{OptionError, OptionSpec};

/// The option that says what stands for NULL.
pub(super) const DEFAULT_NAME: OptionSpec = OptionSpec {
    name: "partition.default-name",
    help: "what stands for NULL in folders by partition, as k=1/ (default __DEFAULT_PARTITION__)",
};

/// The columns of one file that its path tells.
#[derive(Debug)]
pub(super) struct PathValues {
    /// All wanted columns.
    wanted: SchemaRef,
    /// Per wanted column the value that the path tells, if it does.
    told: Vec<Option<ArrayRef>>,
}

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

impl PathValues {
    /// What the path of `file` tells, and how the rest of the columns is read from it; `None` if it tells nothing.
    pub(super) fn of(
        spec: &SourceSpec,
        file: &Path,
        layout: &Layout,
    ) -> Result<Option<(PathValues, Layout)>, SourceError> {
        let told = format::told_by(file, default_name(spec)?);
        let value = |name: &str| told.iter().find(|(column, _)| column == name).map(|(_, value)| value.as_deref());
        let fields = layout.physical.fields();
        let inside: Vec<usize> = (0..fields.len()).filter(|&at| value(fields[at].name()).is_none()).collect();
        if inside.len() == fields.len() {
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
                Some(text) => format::read_value(text, kind)
                    .map(Some)
                    .ok_or_else(|| refused(format!("its folder says that '{name}' is '{text}', which is no {kind}"))),
            }
        };
        let told = layout.wanted.fields().iter().map(column).collect::<Result<Vec<_>, _>>()?;
        let decode: Vec<usize> =
            layout.decode.iter().filter_map(|at| inside.iter().position(|inside| inside == at)).collect();
        let physical = Arc::new(Schema::new(inside.iter().map(|&at| fields[at].clone()).collect::<Vec<_>>()));
        let wanted = Arc::new(Schema::new(decode.iter().map(|&at| physical.fields()[at].clone()).collect::<Vec<_>>()));
        let values = PathValues { wanted: layout.wanted.clone(), told };
        Ok(Some((values, Layout { physical, decode, wanted, ..layout.clone() })))
    }

    /// Rows of the file with the columns that its path tells.
    pub(super) fn add(&self, decoded: Decoded) -> Decoded {
        let rows = decoded.batch.num_rows();
        let mut read = decoded.batch.columns().iter();
        let every = UInt32Array::from(vec![0; rows]);
        let column = |told: &Option<ArrayRef>| match told {
            None => read.next().cloned(),
            Some(value) => arrow_select::take::take(value.as_ref(), &every, None).ok(),
        };
        let columns: Vec<ArrayRef> = self.told.iter().filter_map(column).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        match RecordBatch::try_new_with_options(self.wanted.clone(), columns, &options) {
            Ok(batch) => Decoded { batch, ..decoded },
            Err(error) => unreachable!("every column is of its type: {error}"),
        }
    }
}
