//! A folder per partition: `PARTITIONED BY (a, b)` writes rows to `a=value/b=value/` below the path, without those columns.
//!
//! Values are text (`format/folder.rs`). Invariant: a row taken back goes where it was added. At most [`OPEN`] files are open,
//! and one that ends; beyond them the one written longest ago is ended, and its partition goes on in a file of its own.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, RecordBatch, UInt32Array};
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::{ArrowError, Schema};

use super::filesystem::{FileWriter, default_name, extension, format_of, part_name};
use super::{SinkError, SinkSpec, Writer};
use crate::delta::Delta;
use crate::format::{self, Format};
use crate::options::PART;
use crate::time::Epoch;

/// Files that one writer has open.
pub(super) const OPEN: usize = 128;

/// How times are written in names.
const TIMES: FormatOptions<'static> = FormatOptions::new()
    .with_timestamp_format(Some("%Y-%m-%dT%H:%M:%S%.3fZ"))
    .with_date_format(Some("%Y-%m-%d"))
    .with_time_format(Some("%H:%M:%S%.3f"));

/// Writes partitions.
pub(super) struct Partitioned {
    /// Of what stands in the files.
    narrow: SinkSpec,
    /// The columns that stand there.
    kept: Vec<usize>,
    /// The columns that name the folder, with their names.
    columns: Vec<(usize, String)>,
    default_name: String,
    root: PathBuf,
    part: usize,
    parts: usize,
    /// What earlier runs left is gone.
    begun: bool,
    format: &'static dyn Format,
    open: BTreeMap<String, (u64, FileWriter)>,
    /// Those that are to be ended, the last first.
    ending: Vec<FileWriter>,
    /// Per partition how many files it has by now.
    files: HashMap<String, usize>,
    writes: u64,
}

impl Partitioned {
    /// Of the files `part-N` of one writer of `parts`.
    pub(super) fn open(spec: &SinkSpec, root: &Path, part: usize, parts: usize) -> Result<Partitioned, SinkError> {
        let fields = spec.schema.fields();
        let kept: Vec<usize> = (0..fields.len()).filter(|column| !spec.partition.contains(column)).collect();
        let schema = Arc::new(Schema::new(kept.iter().map(|&column| fields[column].clone()).collect::<Vec<_>>()));
        Ok(Partitioned {
            narrow: SinkSpec { schema, partition: Vec::new(), ..spec.clone() },
            kept,
            columns: spec.partition.iter().map(|&column| (column, fields[column].name().clone())).collect(),
            default_name: default_name(spec)?.to_owned(),
            root: root.to_owned(),
            part,
            parts,
            begun: false,
            format: format_of(spec)?,
            open: BTreeMap::new(),
            ending: Vec::new(),
            files: HashMap::new(),
            writes: 0,
        })
    }

    /// The folder of each row, below the path.
    fn folders(&self, batch: &RecordBatch) -> Result<Vec<String>, ArrowError> {
        let mut folders = vec![String::new(); batch.num_rows()];
        for (column, name) in &self.columns {
            let values: &ArrayRef = batch.column(*column);
            let text = ArrayFormatter::try_new(values.as_ref(), &TIMES)?;
            for (row, folder) in folders.iter_mut().enumerate() {
                let value = if values.is_null(row) { None } else { Some(text.value(row).try_to_string()?) };
                folder.push_str(&format::folder(name, value.as_deref(), &self.default_name));
                folder.push('/');
            }
        }
        Ok(folders)
    }

    /// The open file of a partition.
    fn file(&mut self, folder: &str) -> Result<&mut FileWriter, SinkError> {
        self.writes += 1;
        if !self.open.contains_key(folder) {
            if self.open.len() >= OPEN {
                let oldest =
                    self.open.iter().min_by_key(|(_, (written, _))| *written).map(|(folder, _)| folder.clone());
                let oldest = oldest.and_then(|oldest| self.open.remove(&oldest));
                self.ending.extend(oldest.map(|(_, file)| file));
            }
            let number = self.files.entry(folder.to_owned()).or_default();
            let path = self.root.join(folder).join(part_name(self.part, *number, self.format));
            *number += 1;
            self.open.insert(folder.to_owned(), (0, FileWriter::new(&self.narrow, path, None)?));
        }
        match self.open.get_mut(folder) {
            Some((written, file)) => {
                *written = self.writes;
                Ok(file)
            }
            None => unreachable!("it was just opened"),
        }
    }
}

impl Writer for Partitioned {
    fn begin(&mut self) -> Result<(), SinkError> {
        if !self.begun {
            let (part, parts) = (self.part, self.parts);
            let columns: Vec<&str> = self.columns.iter().map(|(_, name)| name.as_str()).collect();
            clear(&self.narrow.name, &columns, &self.root, |other| other == part || other >= parts)?;
            self.begun = true;
        }
        Ok(())
    }

    fn write(&mut self, epoch: Epoch, changes: &Delta) -> Result<(), SinkError> {
        let unwritable = |error: ArrowError| SinkError::Schema {
            sink: self.narrow.name.clone(),
            what: format!("a partition has no name: {error}"),
            remedy: "partition by columns that have a text form, or by CAST(... AS VARCHAR)".to_owned(),
        };
        let folders = self.folders(changes.batch()).map_err(unwritable)?;
        let narrow = changes.batch().project(&self.kept).map_err(unwritable)?;
        let narrow = changes.with_batch(narrow);
        let mut rows: BTreeMap<&str, Vec<u32>> = BTreeMap::new();
        folders.iter().zip(0..).for_each(|(folder, row)| rows.entry(folder).or_default().push(row));
        for (folder, rows) in rows {
            self.file(folder)?.write(epoch, &narrow.take(&UInt32Array::from(rows)))?;
        }
        Ok(())
    }

    fn gathered(&self) -> usize {
        let open = self.open.values().map(|(_, file)| file.gathered()).sum::<usize>();
        open + self.ending.iter().map(FileWriter::gathered).sum::<usize>()
    }

    fn flush(&mut self) -> Result<(), SinkError> {
        self.begin()?;
        while let Some(file) = self.ending.last_mut() {
            file.close()?;
            self.ending.pop();
        }
        self.open.values_mut().try_for_each(|(_, file)| file.flush())
    }

    fn close(&mut self) -> Result<(), SinkError> {
        self.flush()?;
        self.open.values_mut().try_for_each(|(_, file)| file.close())
    }

    fn leave(&mut self) -> Result<(), SinkError> {
        Ok(())
    }
}

/// Removes the files that writers, those that `gone` holds for, left in the partitions in an earlier run.
fn clear(sink: &str, columns: &[&str], root: &Path, gone: impl Fn(usize) -> bool) -> Result<(), SinkError> {
    let failed = |path: &Path, error| SinkError::Io {
        sink: sink.to_owned(),
        what: format!("removing what an earlier run left in {}", path.display()),
        error,
    };
    let columns: Vec<String> = columns.iter().map(|column| format::folder(column, Some(""), "none")).collect();
    let mut open = vec![(root.to_owned(), 0)];
    while let Some((folder, depth)) = open.pop() {
        let entries = match std::fs::read_dir(&folder) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            entries => entries.map_err(|error| failed(&folder, error))?,
        };
        for entry in entries {
            let path = entry.map_err(|error| failed(&folder, error))?.path();
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            match columns.get(depth) {
                Some(column) if name.starts_with(column) => open.push((path, depth + 1)),
                None if part_of(&name).is_some_and(&gone) => match std::fs::remove_file(&path) {
                    // Another writer was faster.
                    Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(&path, error)),
                    _ => {}
                },
                _ => {}
            }
        }
    }
    Ok(())
}

/// The writer that a file is of, whatever its format.
fn part_of(name: &str) -> Option<usize> {
    let (stem, kind) = name.strip_prefix(PART)?.split_once('.')?;
    let part = stem.split_once('-').map_or(stem, |(part, _)| part);
    format::FORMATS.iter().any(|format| extension(*format) == kind).then(|| part.parse().ok())?
}
