//! `filesystem`: one file, or, if the path ends in `/`, a folder with a file `part-N` for each worker, or with folders of them
//! by partition, or files that are complete one after another (`parts.rs`).
//!
//! Invariant: the file grows by whole epochs. One that is moved away, removed or emptied meanwhile is begun anew: what was in it is not known. What an earlier run left is replaced when the run has come to its first epoch or
//! ends (`replaced.rs`), and then part files of earlier runs go that this run will not write: a folder holds one run. In
//! formats of lines an epoch can be read once it is flushed; Parquet once the sink is closed.

use std::path::{Path, PathBuf};

use super::file::FileWriter;
use super::left::parts_in;
use super::parts::{self, Parts};
use super::rolling::{self, Rolling};
use super::{Before, Mark, SinkConnector, SinkError, SinkSpec, Writer, changes};
use crate::format::{self, Format, FormatError};
use crate::options::{OptionError, OptionSpec, Outputs, PART, local, packed_name};
use crate::registered::Registered;

/// The connector `filesystem`.
#[derive(Debug)]
pub(super) struct Filesystem;

const OPTIONS: &[OptionSpec] = &[
    OptionSpec {
        name: "path",
        help: "the file to write or, ending in /, a folder for a part file a worker, also as file://",
    },
    OptionSpec {
        name: "partition.default-name",
        help: "with PARTITIONED BY: what stands for NULL in the name of a folder (default __DEFAULT_PARTITION__)",
    },
    rolling::OPTIONS[0],
    rolling::OPTIONS[1],
    format::TEXT_OPTIONS[0],
];

impl SinkConnector for Filesystem {
    fn name(&self) -> &'static str {
        "filesystem"
    }

    fn help(&self) -> &'static str {
        "writes a file, or a folder of part files: JSON, CSV, MessagePack, Arrow or Parquet"
    }

    fn options(&self) -> &'static [OptionSpec] {
        OPTIONS
    }

    fn check(&self, spec: &SinkSpec) -> Result<(), SinkError> {
        let format = format_of(spec)?;
        changes::check(spec, &[&OPTIONS[..4], format.options()])?;
        default_name(spec)?;
        if Rolling::of(&spec.options)?.rolls() && !self.per_worker(spec) {
            return Err(SinkError::Schema {
                sink: spec.name.clone(),
                what: "part files are ended one after another, and the path is one file".to_owned(),
                remedy: "end the 'path' in '/', or leave 'sink.rolling-policy.*' out".to_owned(),
            });
        }
        if packed_name(path(spec)?).is_some() {
            return Err(SinkError::Schema {
                sink: spec.name.clone(),
                what: "files are written as they are, and the path ends as that of a packed one".to_owned(),
                remedy: "leave the ending out, or write 'format' = 'parquet', whose columns are packed".to_owned(),
            });
        }
        if !spec.partition.is_empty() && (!self.per_worker(spec) || spec.partition.len() == spec.schema.fields().len())
        {
            let (what, remedy) = match self.per_worker(spec) {
                false => ("partitions are folders, and the path is a file", "end the 'path' in '/'"),
                true => ("no column is left to write beside those of PARTITIONED BY", "leave one of them out"),
            };
            return Err(SinkError::Schema {
                sink: spec.name.clone(),
                what: what.to_owned(),
                remedy: remedy.to_owned(),
            });
        }
        format.encoder(&changes::schema(spec), &spec.options).map_err(|error| refuse(spec, error)).map(drop)
    }

    fn per_worker(&self, spec: &SinkSpec) -> bool {
        spec.options.get("path").is_some_and(|path| path.ends_with('/'))
    }

    fn descriptors(&self, spec: &SinkSpec) -> usize {
        if spec.partition.is_empty() { 1 } else { parts::OPEN }
    }

    fn outputs(&self, spec: &SinkSpec) -> Option<Outputs> {
        let path = PathBuf::from(path(spec).ok()?);
        let kind = extension(&*format_of(spec).ok()?).to_owned();
        Some(match spec.partition.len() {
            _ if !self.per_worker(spec) => Outputs::File(path),
            0 => Outputs::Parts(path, kind),
            depth => Outputs::Partitions(path, kind, depth),
        })
    }

    fn open(&self, spec: &SinkSpec, part: usize, parts: usize) -> Result<Box<dyn Writer>, SinkError> {
        self.check(spec)?;
        let mut path = PathBuf::from(path(spec)?);
        if self.in_parts(spec)? {
            return Ok(Box::new(Parts::open(spec, &path, part, parts)?));
        }
        let parts = self.per_worker(spec).then_some(parts);
        if parts.is_some() {
            path.push(part_name(part, 0, &*format_of(spec)?));
        }
        let mut writer = FileWriter::new(spec, path, parts)?;
        // What stands there is not touched before there is something to put in its place.
        match writer.file() {
            // It is made when it is first written to.
            Err(error) if error.passes() => tracing::warn!("{error}"),
            opened => drop(opened?),
        }
        Ok(Box::new(writer))
    }

    fn kept(&self, spec: &SinkSpec, part: usize, parts: usize, before: Before) -> Result<Box<dyn Writer>, SinkError> {
        let mut path = PathBuf::from(path(spec)?);
        if self.in_parts(spec)? {
            self.check(spec)?;
            return Ok(Box::new(Parts::kept(spec, &path, part, parts, before)?));
        }
        if !in_rows(spec)? {
            self.check(spec)?;
            return Ok(Box::new(FileWriter::complete(spec, path)?));
        }
        if self.per_worker(spec) {
            path.push(part_name(part, 0, &*format_of(spec)?));
        }
        if let Some(mark) = before.at.filter(|mark| mark.length > 0) {
            if path.is_file() {
                return self.open_at(spec, part, parts, mark);
            }
            let (sink, path) = (&spec.name, path.display());
            tracing::warn!("sink '{sink}': {path} was moved or removed; what follows goes to a new file there");
            return self.open(spec, part, parts);
        }
        // A file that is gone is begun anew.
        match before.begun && path.is_file() {
            true => self.open_at(spec, part, parts, Mark::default()),
            false => self.open(spec, part, parts),
        }
    }

    fn resumes(&self, spec: &SinkSpec) -> bool {
        // An output of many files has marks at the ends of files alone, and Parquet none before its end.
        !self.in_parts(spec).unwrap_or(true) && in_rows(spec).unwrap_or(false)
    }

    fn open_at(&self, spec: &SinkSpec, part: usize, parts: usize, mark: Mark) -> Result<Box<dyn Writer>, SinkError> {
        self.check(spec)?;
        let mut path = PathBuf::from(path(spec)?);
        if self.in_parts(spec)? {
            let before = Before { begun: true, mark, by_clock: true, ..Before::default() };
            return Ok(Box::new(Parts::at(spec, &path, part, parts, before)?));
        }
        if self.per_worker(spec) {
            path.push(part_name(part, 0, &*format_of(spec)?));
        }
        Ok(Box::new(FileWriter::at(spec, path, mark)?))
    }
}

impl Filesystem {
    /// Whether a writer has many files: by partition, or one after another.
    fn in_parts(&self, spec: &SinkSpec) -> Result<bool, SinkError> {
        let one = spec.partition.is_empty() && in_rows(spec)? && !Rolling::of(&spec.options)?.rolls();
        Ok(self.per_worker(spec) && !one)
    }
}

/// Whether the rows of a file can be read as soon as they are written.
pub(super) fn in_rows(spec: &SinkSpec) -> Result<bool, SinkError> {
    let encoder = format_of(spec)?.encoder(&changes::schema(spec), &spec.options);
    Ok(encoder.map_err(|error| refuse(spec, error))?.in_rows())
}

/// Removes the part files of earlier runs that none of `parts` writers of this format will write.
pub(super) fn clear(spec: &SinkSpec, folder: &Path, parts: usize) -> Result<(), SinkError> {
    let format = format_of(spec)?;
    let ours = extension(&*format);
    let columns: Vec<&str> = spec.schema.fields().iter().map(|field| field.name().as_str()).collect();
    for found in parts_in(spec, &columns, folder)? {
        // One of several of a writer's, one that was never complete, or one of a partition, is of a run that had such.
        let single = !found.hidden && found.number == 0 && found.columns.is_empty();
        let kind = found.path.extension().is_some_and(|kind| kind.to_string_lossy() == ours);
        if single && kind && found.part < parts {
            continue;
        }
        match std::fs::remove_file(&found.path) {
            // Another writer was faster.
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                let what = format!("removing a part of an earlier run, {}", found.path.display());
                return Err(SinkError::Io { sink: spec.name.clone(), what, error });
            }
            _ => {}
        }
    }
    Ok(())
}

/// The name of a writer's file, of several the one of that number.
pub(super) fn part_name(part: usize, number: usize, format: &dyn Format) -> String {
    let number = if number == 0 { String::new() } else { format!("-{number}") };
    format!("{PART}{part}{number}.{}", extension(format))
}

/// What stands for NULL in the name of a folder.
pub(super) fn default_name(spec: &SinkSpec) -> Result<&str, OptionError> {
    let name = spec.options.get(OPTIONS[1].name).unwrap_or(format::DEFAULT_PARTITION);
    match format::is_partition_name(name) {
        true => Ok(name),
        false => Err(OptionError::Invalid {
            name: OPTIONS[1].name.to_owned(),
            value: name.to_owned(),
            reason: "it is the name of a folder: write letters, digits, _ or -".to_owned(),
        }),
    }
}

/// How the name of a part file ends.
pub(super) fn extension(format: &dyn Format) -> &str {
    format.extensions().first().unwrap_or(&"out")
}

fn path(spec: &SinkSpec) -> Result<&str, SinkError> {
    Ok(local(spec.options.required("path", &format!("sink '{}'", spec.name), OPTIONS[0].help)?))
}

/// The format named, or that of the path's extension, or JSON for a folder.
pub(super) fn format_of(spec: &SinkSpec) -> Result<Registered<dyn Format>, SinkError> {
    let path = path(spec)?;
    let path = if path.ends_with('/') { "part.json" } else { path };
    spec.formats.choose(&spec.options, path).map_err(|error| refuse(spec, error))
}

/// A format's refusal as the sink's.
pub(super) fn refuse(spec: &SinkSpec, error: FormatError) -> SinkError {
    match error {
        FormatError::Option(error) => SinkError::Option(error),
        FormatError::Schema { what, remedy } => SinkError::Schema { sink: spec.name.clone(), what, remedy },
    }
}
