//! Part files: a folder of them per partition (`PARTITIONED BY (a, b)` writes rows to `a=value/b=value/` below the path, without
//! those columns), and those of one folder where a file can be read only once it is complete, or is ended at some size.
//!
//! Values are text (`format/folder.rs`). Invariants: a row taken back goes where it was added. At most [`OPEN`] files are open,
//! and one that ends; beyond them the one written longest ago is ended, and its partition goes on in a file of its own. Files that can be read
//! only once they are complete wait in memory while they hold little, at most [`MANY`] and [`HELD_BYTES`]. A file that can be read
//! only once it is complete has a name that readers pass over (`_part-0.parquet`) until a mark behind it is kept (M6).

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, RecordBatch, UInt32Array};
use arrow_cast::display::FormatOptions;
use arrow_schema::{ArrowError, Schema};

use super::file::FileWriter;
use super::filesystem::{default_name, format_of, in_rows, part_name};
use super::left::{Fate, Found, HIDDEN, failed, parts_in, shown, sync_names};
use super::rolling::Rolling;
use super::{Before, Mark, SinkError, SinkSpec, Writer};
use crate::delta::Delta;
use crate::format::{self, Format, Shown};
use crate::registered::Registered;
use crate::time::Epoch;

/// Files that one writer has open.
pub(super) const OPEN: usize = 128;

/// Files that one writer goes on with where they are not opened before they hold much.
const MANY: usize = 4096;
/// Bytes that those may hold together; beyond them the one that holds the most is ended.
const HELD_BYTES: usize = 64 << 20;

/// How times are written in names.
const TIMES: FormatOptions<'static> = FormatOptions::new()
    .with_timestamp_format(Some("%Y-%m-%dT%H:%M:%S%.3fZ"))
    .with_date_format(Some("%Y-%m-%d"))
    .with_time_format(Some("%H:%M:%S%.3f"));

/// Writes part files.
pub(super) struct Parts {
    /// Of what stands in the files.
    narrow: SinkSpec,
    /// The columns that stand there.
    inside: Vec<usize>,
    /// The columns that name the folder, with their names.
    columns: Vec<(usize, String)>,
    default_name: String,
    root: PathBuf,
    part: usize,
    parts: usize,
    format: Registered<dyn Format>,
    /// Files are hidden until they are complete.
    hides: bool,
    rolling: Rolling,
    /// What earlier runs left is gone, or in its place.
    begun: bool,
    /// It is gone on with what an earlier run of the same log left; all of that has come again.
    again: bool,
    settled: bool,
    /// Files are ended only when it is told to, and synced before they are complete.
    kept: bool,
    /// Files may be ended by the clock; behind which epochs they were before, and are again.
    by_clock: bool,
    ends: VecDeque<Epoch>,
    open: BTreeMap<String, (u64, FileWriter)>,
    /// Those that are to be ended, the last first.
    ending: Vec<FileWriter>,
    /// Complete files that no mark is behind, and those up to a mark that is not known to be kept.
    complete: Vec<PathBuf>,
    prepared: Vec<(Option<Epoch>, Vec<PathBuf>)>,
    /// Per partition the number of its next file, which is never below `first`; `next` is beyond all that were given.
    files: HashMap<String, usize>,
    first: usize,
    next: usize,
    writes: u64,
    /// Epochs up to this one are in complete files already.
    held: Option<Epoch>,
    taken: Option<Epoch>,
    mark: Mark,
}

impl Parts {
    /// The files `part-N` of one writer of `parts`, those of an earlier run in their place until this one begins.
    pub(super) fn open(spec: &SinkSpec, root: &Path, part: usize, parts: usize) -> Result<Parts, SinkError> {
        let mut writer = Parts::at(spec, root, part, parts, Before { by_clock: true, ..Before::default() })?;
        if writer.columns.is_empty() {
            // Whether it can be written is found out now.
            match writer.file("")?.file() {
                // It is made when it is first written to.
                Err(error) if error.passes() => tracing::warn!("{error}"),
                opened => drop(opened?),
            }
        }
        Ok(writer)
    }

    /// The same, of a run that is gone on with.
    pub(super) fn kept(
        spec: &SinkSpec,
        root: &Path,
        part: usize,
        parts: usize,
        before: Before,
    ) -> Result<Parts, SinkError> {
        Ok(Parts { kept: true, ..Parts::at(spec, root, part, parts, before)? })
    }

    /// The same, gone on with behind a mark if it has begun before.
    pub(super) fn at(
        spec: &SinkSpec,
        root: &Path,
        part: usize,
        parts: usize,
        before: Before,
    ) -> Result<Parts, SinkError> {
        let Before { begun: again, mark, ends, by_clock, at: _ } = before;
        let fields = spec.schema.fields();
        let inside: Vec<usize> = (0..fields.len()).filter(|column| !spec.partition.contains(column)).collect();
        let schema = Arc::new(Schema::new(inside.iter().map(|&column| fields[column].clone()).collect::<Vec<_>>()));
        let first = usize::try_from(mark.files).unwrap_or(usize::MAX);
        Ok(Parts {
            narrow: SinkSpec { schema, partition: Vec::new(), ..spec.clone() },
            inside,
            columns: spec.partition.iter().map(|&column| (column, fields[column].name().clone())).collect(),
            default_name: default_name(spec)?.to_owned(),
            root: root.to_owned(),
            part,
            parts,
            format: format_of(spec)?,
            hides: !in_rows(spec)?,
            rolling: Rolling::of(&spec.options)?,
            begun: false,
            again,
            settled: !again,
            kept: false,
            by_clock,
            ends: ends.into_iter().filter(|end| Some(*end) > mark.epoch).collect(),
            open: BTreeMap::new(),
            ending: Vec::new(),
            complete: Vec::new(),
            prepared: Vec::new(),
            files: HashMap::new(),
            first,
            next: first,
            writes: 0,
            held: mark.epoch,
            taken: mark.epoch,
            mark,
        })
    }

    /// The folder of each row, below the path.
    fn folders(&self, batch: &RecordBatch) -> Result<Vec<String>, ArrowError> {
        let mut folders = vec![String::new(); batch.num_rows()];
        for (column, name) in &self.columns {
            let values: &ArrayRef = batch.column(*column);
            let text = Shown::new(values.as_ref(), &TIMES)?;
            for (row, folder) in folders.iter_mut().enumerate() {
                let value = if values.is_null(row) { None } else { Some(text.text(row)) };
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
            if self.open.len() >= if self.hides { MANY } else { OPEN } {
                self.end_oldest(|_| true);
            }
            let next = self.files.entry(folder.to_owned()).or_default();
            let number = self.first.max(*next);
            *next = number + 1;
            self.next = self.next.max(number + 1);
            let name = part_name(self.part, number, &*self.format);
            let name = if self.hides { format!("{HIDDEN}{name}") } else { name };
            let path = self.root.join(folder).join(name);
            let file = match self.again && !self.hides {
                true => FileWriter::again(&self.narrow, path)?,
                false => FileWriter::new(&self.narrow, path, None)?,
            };
            self.open.insert(folder.to_owned(), (0, file));
        }
        match self.open.get_mut(folder) {
            Some((written, file)) => {
                *written = self.writes;
                Ok(file)
            }
            None => unreachable!("it was just opened"),
        }
    }

    /// The file written longest ago, of those, is to be ended.
    fn end_oldest(&mut self, of: impl Fn(&FileWriter) -> bool) {
        let those = self.open.iter().filter(|(_, (_, file))| of(file));
        let oldest = those.min_by_key(|(_, (written, _))| *written).map(|(folder, _)| folder.clone());
        let oldest = oldest.and_then(|oldest| self.open.remove(&oldest));
        self.ending.extend(oldest.map(|(_, file)| file));
    }

    /// Has files ended of which more are open, or more is held, than may be.
    fn bound(&mut self) {
        let opened = self.open.values().filter(|(_, file)| file.is_open()).count();
        (OPEN..opened).for_each(|_| self.end_oldest(FileWriter::is_open));
        let mut held: usize = self.open.values().map(|(_, file)| file.gathered()).sum();
        while held > HELD_BYTES {
            let most = self.open.iter().max_by_key(|(_, (_, file))| file.gathered()).map(|(folder, _)| folder.clone());
            let Some((_, file)) = most.and_then(|most| self.open.remove(&most)) else { break };
            held -= file.gathered();
            self.ending.push(file);
        }
    }

    /// Ends the files that are to be.
    fn end(&mut self) -> Result<(), SinkError> {
        while let Some(file) = self.ending.last_mut() {
            file.close()?;
            if self.kept {
                file.sync()?;
            }
            self.complete.extend(self.ending.pop().map(FileWriter::into_path));
        }
        Ok(())
    }

    /// Gives the files up to an epoch, or all, the names that readers look for.
    fn show(&mut self, upto: Option<Epoch>) -> Result<(), SinkError> {
        while let Some((epoch, paths)) = self.prepared.first_mut() {
            if upto.is_some_and(|upto| *epoch > Some(upto)) {
                break;
            }
            while let Some(path) = paths.last() {
                let renamed = if self.hides { std::fs::rename(path, shown(path)) } else { Ok(()) };
                renamed.map_err(|error| failed(&self.narrow.name, "naming", path, error))?;
                paths.pop();
            }
            self.prepared.remove(0);
        }
        Ok(())
    }

    /// Whether a file that was found is to stand under its own name, or go: what an earlier run left, or what nobody was shown.
    fn fate(&self, found: &Found) -> io::Result<Fate> {
        let ours = found.part == self.part;
        if !found.columns.iter().eq(self.columns.iter().map(|(_, name)| name)) {
            // Of a run that had other partitions.
            return Ok(if self.again { Fate::Stays } else { Fate::Goes });
        }
        Ok(match (self.again, ours) {
            (false, _) if ours || found.part >= self.parts => Fate::Goes,
            (false, _) | (true, false) => Fate::Stays,
            (true, true) if found.number < self.first => match found.hidden {
                true => Fate::Shows,
                false => Fate::Stays,
            },
            (true, true) if found.hidden => Fate::Goes,
            // It is compared.
            (true, true) if !self.hides => Fate::Stays,
            (true, true) => {
                let what = "it stands behind the mark, and was shown: the output is that of another run";
                return Err(io::Error::new(io::ErrorKind::InvalidData, what));
            }
        })
    }

    /// All part files that stand there.
    fn found(&self) -> Result<Vec<Found>, SinkError> {
        let inside = self.narrow.schema.fields().iter().map(|field| field.name().as_str());
        let columns: Vec<&str> = self.columns.iter().map(|(_, name)| name.as_str()).chain(inside).collect();
        parts_in(&self.narrow, &columns, &self.root)
    }

    /// Whether this run has come to a file that stands behind the mark, or nothing stands in it.
    fn has_come_to(&self, found: &Found) -> bool {
        let folder = found.path.parent().and_then(|folder| folder.strip_prefix(&self.root).ok());
        let folder = folder.map(|folder| folder.display().to_string()).unwrap_or_default();
        let folder = if folder.is_empty() { folder } else { folder + "/" };
        let came = self.files.get(&folder).is_some_and(|next| found.number < *next);
        came || std::fs::metadata(&found.path).is_ok_and(|found| found.len() == 0)
    }

    /// Whether there is anything to end.
    fn holds(&self) -> bool {
        !self.ending.is_empty() || !self.complete.is_empty() || self.open.values().any(|(_, file)| !file.is_empty())
    }
}

impl Writer for Parts {
    fn begin(&mut self) -> Result<(), SinkError> {
        if self.begun {
            return Ok(());
        }
        let being_written: Vec<&Path> = self.open.values().map(|(_, file)| file.path()).collect();
        for found in self.found()? {
            let path = &found.path;
            if being_written.contains(&path.as_path()) {
                continue;
            }
            let done = self.fate(&found).and_then(|fate| match fate {
                Fate::Stays => Ok(()),
                Fate::Shows => std::fs::rename(path, shown(path)),
                Fate::Goes => std::fs::remove_file(path),
            });
            match done {
                // Another writer was faster.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                done => done.map_err(|error| {
                    failed(&self.narrow.name, "putting in order what an earlier run left,", path, error)
                })?,
            }
        }
        // What is at hand is opened over what an earlier run left.
        self.open.values_mut().filter(|(_, file)| file.is_open()).try_for_each(|(_, file)| file.begin())?;
        self.begun = true;
        Ok(())
    }

    fn write(&mut self, epoch: Epoch, changes: &Delta) -> Result<(), SinkError> {
        if self.held.is_some_and(|held| epoch <= held) {
            return Ok(());
        }
        self.taken = Some(epoch);
        while self.ends.front().is_some_and(|end| *end < epoch) {
            self.ends.pop_front();
        }
        if self.columns.is_empty() {
            return self.file("")?.write(epoch, changes);
        }
        let unwritable = |error: ArrowError| SinkError::Schema {
            sink: self.narrow.name.clone(),
            what: format!("a partition has no name: {error}"),
            remedy: "partition by columns that have a text form, or by CAST(... AS VARCHAR)".to_owned(),
        };
        let folders = self.folders(changes.batch()).map_err(unwritable)?;
        let narrow = changes.batch().project(&self.inside).map_err(unwritable)?;
        let narrow = changes.with_batch(narrow);
        let mut rows: BTreeMap<&str, Vec<u32>> = BTreeMap::new();
        folders.iter().zip(0..).for_each(|(folder, row)| rows.entry(folder).or_default().push(row));
        for (folder, rows) in rows {
            self.file(folder)?.write(epoch, &narrow.take(&UInt32Array::from(rows)))?;
        }
        Ok(())
    }

    fn pass(&mut self, epoch: Epoch) {
        self.taken = self.taken.max(Some(epoch));
    }

    fn mark(&self) -> Option<Mark> {
        Some(self.mark)
    }

    fn prepare(&mut self) -> Result<Option<Mark>, SinkError> {
        self.begin()?;
        let open = std::mem::take(&mut self.open);
        for (folder, (written, file)) in open {
            match file.is_empty() {
                true => drop(self.open.insert(folder, (written, file))),
                false => self.ending.push(file),
            }
        }
        self.end()?;
        if self.kept {
            sync_names(&self.narrow.name, &self.root, &self.complete)?;
        }
        if !self.complete.is_empty() {
            self.first = self.next;
            self.prepared.push((self.taken, std::mem::take(&mut self.complete)));
        }
        self.rolling.begun();
        self.mark = Mark { epoch: self.taken, length: 0, files: self.first as u64 };
        Ok(Some(self.mark))
    }

    fn commit(&mut self, upto: Epoch) -> Result<(), SinkError> {
        self.show(Some(upto))
    }

    fn gathered(&self) -> usize {
        let open = self.open.values().map(|(_, file)| file.gathered()).sum::<usize>();
        open + self.ending.iter().map(FileWriter::gathered).sum::<usize>()
    }

    fn is_due(&self) -> bool {
        let files = || self.open.values().map(|(_, file)| file);
        if !files().any(|file| !file.is_empty()) {
            return false;
        }
        if let Some(end) = self.ends.front() {
            return self.taken >= Some(*end);
        }
        // By the clock an earlier run may have gone on with what would be ended now.
        let aged = self.by_clock && (self.settled || self.hides) && self.rolling.is_old();
        aged || self.rolling.is_large(files().map(FileWriter::bytes).max().unwrap_or(0))
    }

    fn to_end(&self, stopping: bool) -> Option<Epoch> {
        let to_end = self.kept && (self.is_due() || stopping && self.hides && self.holds());
        self.taken.filter(|_| to_end)
    }

    fn flush(&mut self) -> Result<(), SinkError> {
        self.begin()?;
        self.end()?;
        // One that cannot be written keeps no other from being compared.
        let flushed = self.open.values_mut().map(|(_, file)| file.flush());
        flushed.fold(Ok(()), Result::and)?;
        self.bound();
        self.end()?;
        if self.kept {
            return Ok(());
        }
        if self.is_due() {
            self.prepare()?;
        }
        if self.rolling.rolls() { self.show(None) } else { Ok(()) }
    }

    /// Files of rows are left without their end. What can be read only once it is complete was ended before; what was not, nobody was shown.
    fn pause(&mut self, begun: bool) -> Result<(), SinkError> {
        if !begun || self.hides {
            return Ok(());
        }
        self.flush()?;
        self.open.values_mut().try_for_each(|(_, file)| file.pause(begun))
    }

    fn compares(&self) -> bool {
        !self.settled && !self.hides
    }

    fn caught_up(&mut self) -> Result<(), SinkError> {
        self.flush()?;
        self.open.values_mut().filter(|(_, file)| file.is_open()).try_for_each(|(_, file)| file.caught_up())?;
        let left = self.found()?.into_iter().find(|found| {
            let ours = found.part == self.part && found.number >= self.first && !found.hidden;
            ours && !self.has_come_to(found)
        });
        if let Some(left) = left {
            let what = "this run did not write it: take it away";
            let error = io::Error::new(io::ErrorKind::InvalidData, what);
            return Err(failed(&self.narrow.name, "comparing", &left.path, error));
        }
        self.settled = true;
        Ok(())
    }

    fn close(&mut self) -> Result<(), SinkError> {
        self.begin()?;
        if self.columns.is_empty() && self.next == 0 && !self.kept {
            // A run without rows leaves a file without rows.
            self.file("")?;
        }
        let open = std::mem::take(&mut self.open);
        self.ending.extend(open.into_values().map(|(_, file)| file));
        self.prepare()?;
        self.show(None)
    }

    fn leave(&mut self) -> Result<(), SinkError> {
        let nothing = self.open.values().all(|(_, file)| !shown(file.path()).exists());
        if self.columns.is_empty() && self.hides && nothing {
            return self.close();
        }
        let open = std::mem::take(&mut self.open);
        for (_, mut file) in open.into_values() {
            if !self.hides {
                file.leave()?;
                continue;
            }
            let path = file.into_path();
            match std::fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(failed(&self.narrow.name, "removing", &path, error));
                }
                _ => {}
            }
        }
        Ok(())
    }
}
