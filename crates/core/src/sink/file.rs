//! One file, written by whole epochs.

use std::io;
use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;

use super::filesystem::{clear, format_of, refuse};
use super::left::HIDDEN;
use super::mark::no_marks;
use super::{Mark, Replaced, SinkError, SinkSpec, Writer, changes};
use crate::delta::Delta;
use crate::format::Encoder;
use crate::time::Epoch;

/// Bytes of a format that can be read only once it is complete that are gathered before they go to the file.
const BUFFER_BYTES: usize = 1 << 20;

/// One file.
pub(super) struct FileWriter {
    spec: SinkSpec,
    schema: SchemaRef,
    encoder: Box<dyn Encoder>,
    path: PathBuf,
    /// Of a folder: how many writers it has.
    parts: Option<usize>,
    /// Once it is open.
    file: Option<Replaced>,
    buffer: Vec<u8>,
    /// All is in the buffer, the end too.
    ended: bool,
    /// What stands there is gone on with.
    again: bool,
    /// The path that it gets once it is complete, if that is another.
    shown: Option<PathBuf>,
    /// Epochs up to this one are in the file already.
    held: Option<Epoch>,
    /// The last epoch that was taken.
    taken: Option<Epoch>,
    mark: Mark,
}

impl FileWriter {
    /// A new file at that path, made with its folder when there is something to write; `parts` if it is one of a folder's.
    pub(super) fn new(spec: &SinkSpec, path: PathBuf, parts: Option<usize>) -> Result<FileWriter, SinkError> {
        let schema = changes::schema(spec);
        let encoder = format_of(spec)?.encoder(&schema, &spec.options).map_err(|error| refuse(spec, error))?;
        let (file, buffer, ended, again, shown) = (None, Vec::new(), false, false, None);
        let (spec, held, taken, mark) = (spec.clone(), None, None, Mark::default());
        Ok(FileWriter { spec, schema, encoder, path, parts, file, buffer, ended, again, shown, held, taken, mark })
    }

    /// The same, compared with what stands there when it is opened.
    pub(super) fn again(spec: &SinkSpec, path: PathBuf) -> Result<FileWriter, SinkError> {
        Ok(FileWriter { again: true, ..FileWriter::new(spec, path, None)? })
    }

    /// A file that takes the place of another once it is complete. Until then it has a name that readers pass over.
    pub(super) fn complete(spec: &SinkSpec, path: PathBuf) -> Result<FileWriter, SinkError> {
        let mut writer = FileWriter::new(spec, path, None)?;
        // A pipe or a device is written to where it is.
        if std::fs::metadata(&writer.path).map_or(true, |found| found.is_file()) {
            let name = writer.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            let hidden = writer.path.with_file_name(format!("{HIDDEN}{name}"));
            writer.shown = Some(std::mem::replace(&mut writer.path, hidden));
        }
        match writer.file() {
            // It is made when it is first written to.
            Err(error) if error.passes() => tracing::warn!("{error}"),
            opened => drop(opened?),
        }
        Ok(writer)
    }

    /// The file at that path, which is gone on with.
    pub(super) fn at(spec: &SinkSpec, path: PathBuf, mark: Mark) -> Result<FileWriter, SinkError> {
        let mut writer = FileWriter::new(spec, path, None)?;
        if !writer.encoder.in_rows() {
            return Err(no_marks(spec, &format!("{} can be read only once it is complete", format_of(spec)?.name())));
        }
        (writer.held, writer.taken, writer.mark) = (mark.epoch, mark.epoch, mark);
        if mark.length > 0 {
            // What comes first is there.
            let nothing = RecordBatch::new_empty(writer.schema.clone());
            writer.encoder.encode(&nothing, &mut Vec::new()).map_err(|error| refuse(spec, error))?;
        }
        let (_, end) = writer.without_rows()?;
        let opened = Replaced::at(&writer.path, mark.length, &end);
        writer.file = Some(opened.map_err(|error| writer.failed("going on with", &writer.path, error))?);
        Ok(writer)
    }

    /// What stands in a file without rows: its beginning and its end.
    fn without_rows(&self) -> Result<(Vec<u8>, Vec<u8>), SinkError> {
        let refused = |error| refuse(&self.spec, error);
        let encoder = || format_of(&self.spec)?.encoder(&self.schema, &self.spec.options).map_err(refused);
        let (mut head, mut end, mut begun) = (Vec::new(), Vec::new(), encoder()?);
        begun.encode(&RecordBatch::new_empty(self.schema.clone()), &mut head).map_err(refused)?;
        begun.finish(&mut end).map_err(refused)?;
        head.clear();
        encoder()?.finish(&mut head).map_err(refused)?;
        head.truncate(head.len() - end.len());
        Ok((head, end))
    }

    fn failed(&self, what: &str, path: &Path, error: io::Error) -> SinkError {
        SinkError::Io { sink: self.spec.name.clone(), what: format!("{what} {}", path.display()), error }
    }

    /// Where it stands.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Where it stood.
    pub(super) fn into_path(self) -> PathBuf {
        self.path
    }

    /// Whether nothing was put into it.
    pub(super) fn is_empty(&self) -> bool {
        self.taken.is_none()
    }

    /// How many bytes there are of it, gathered ones too, and about so many as what is not packed yet will be.
    pub(super) fn bytes(&self) -> usize {
        let written = usize::try_from(self.mark.length).unwrap_or(usize::MAX);
        written.saturating_add(self.buffer.len()).saturating_add(self.encoder.ahead())
    }

    /// Whether it takes a descriptor.
    pub(super) fn is_open(&self) -> bool {
        self.file.is_some()
    }

    pub(super) fn file(&mut self) -> Result<&mut Replaced, SinkError> {
        let file = match self.file.take() {
            Some(file) => file,
            None => {
                if let Some(parent) = self.path.parent() {
                    std::fs::create_dir_all(parent).map_err(|error| self.failed("making the folder", parent, error))?;
                }
                let opened = match self.again && self.path.is_file() {
                    true => Replaced::at(&self.path, 0, &self.without_rows()?.1),
                    false => Replaced::open(&self.path),
                };
                opened.map_err(|error| self.failed("creating", &self.path, error))?
            }
        };
        Ok(self.file.insert(file))
    }

    /// Begins a new file if the one that is written is not there any more: nobody would see what is written to it.
    fn look(&mut self) -> Result<(), SinkError> {
        if self.buffer.is_empty() || self.file.as_ref().is_none_or(|file| file.stands_at(&self.path)) {
            return Ok(());
        }
        if !self.encoder.in_rows() && self.mark.length > 0 {
            let what = "it was moved, removed or emptied, and what follows cannot be read without what it held";
            return Err(self.failed("writing", &self.path, io::Error::new(io::ErrorKind::NotFound, what)));
        }
        let (sink, path) = (&self.spec.name, self.path.display());
        tracing::warn!("sink '{sink}': {path} was moved, removed or emptied; what follows goes to a new file there");
        (self.file, self.again) = (None, false);
        if self.mark.length > 0 {
            let encoder = format_of(&self.spec)?.encoder(&self.schema, &self.spec.options);
            self.encoder = encoder.map_err(|error| refuse(&self.spec, error))?;
            let (mut head, nothing) = (Vec::new(), RecordBatch::new_empty(self.schema.clone()));
            self.encoder.encode(&nothing, &mut head).map_err(|error| refuse(&self.spec, error))?;
            self.buffer.splice(..0, head);
        }
        Ok(())
    }

    /// What was written is safe on the disk.
    pub(super) fn sync(&mut self) -> Result<(), SinkError> {
        let synced = self.file()?.sync();
        synced.map_err(|error| self.failed("syncing", &self.path, error))
    }

    fn write_out(&mut self) -> Result<(), SinkError> {
        self.look()?;
        let mut buffer = std::mem::take(&mut self.buffer);
        let written = self.file().map(|file| file.write(&mut buffer));
        self.buffer = buffer;
        let length = written?.map_err(|error| self.failed("writing", &self.path, error))?;
        self.mark = Mark { epoch: self.taken, length, files: 0 };
        Ok(())
    }
}

impl Writer for FileWriter {
    fn begin(&mut self) -> Result<(), SinkError> {
        let begun = self.file()?.begin();
        begun.map_err(|error| self.failed("emptying", &self.path, error))?;
        match (self.parts.take(), self.path.parent()) {
            (Some(parts), Some(folder)) => {
                let cleared = clear(&self.spec, folder, parts);
                // It may be asked again.
                self.parts = cleared.is_err().then_some(parts);
                cleared
            }
            _ => Ok(()),
        }
    }

    fn write(&mut self, epoch: Epoch, changes: &Delta) -> Result<(), SinkError> {
        if self.held.is_some_and(|held| epoch <= held) {
            return Ok(());
        }
        self.taken = Some(epoch);
        let rows = changes::rows(&self.spec, &self.schema, epoch, changes)?;
        self.encoder.encode(&rows, &mut self.buffer).map_err(|error| refuse(&self.spec, error))
    }

    fn pass(&mut self, epoch: Epoch) {
        self.taken = self.taken.max(Some(epoch));
        if self.buffer.is_empty() {
            self.mark.epoch = self.taken;
        }
    }

    fn mark(&self) -> Option<Mark> {
        self.encoder.in_rows().then_some(self.mark)
    }

    fn gathered(&self) -> usize {
        self.buffer.len() + self.encoder.held()
    }

    fn secure(&mut self) -> Result<(), SinkError> {
        if self.mark.length == 0 {
            return Ok(());
        }
        self.sync()?;
        let above = self.path.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let synced = std::fs::File::open(above).and_then(|folder| folder.sync_all());
        synced.map_err(|error| self.failed("syncing the folder of", &self.path, error))
    }

    fn flush(&mut self) -> Result<(), SinkError> {
        let waits = !self.encoder.in_rows() && self.buffer.len() < BUFFER_BYTES;
        if self.buffer.is_empty() || waits { Ok(()) } else { self.write_out() }
    }

    fn close(&mut self) -> Result<(), SinkError> {
        if !std::mem::replace(&mut self.ended, true) {
            self.encoder.finish(&mut self.buffer).map_err(|error| refuse(&self.spec, error))?;
        }
        self.begin()?;
        self.write_out()?;
        self.caught_up()?;
        if let Some(shown) = self.shown.clone() {
            self.sync()?;
            let named = std::fs::rename(&self.path, &shown);
            named.map_err(|error| self.failed("naming", &self.path, error))?;
            (self.path, self.shown) = (shown, None);
        }
        Ok(())
    }

    /// The end is left to the run that comes to it: who follows the file would take it for that, and nothing follows it.
    fn pause(&mut self, begun: bool) -> Result<(), SinkError> {
        if !self.encoder.in_rows() {
            return if begun { self.close() } else { self.leave() };
        }
        if !begun {
            return Ok(());
        }
        if self.mark.length == 0 && self.buffer.is_empty() {
            self.buffer = self.without_rows()?.0;
        }
        self.begin()?;
        self.write_out()
    }

    fn compares(&self) -> bool {
        self.file.as_ref().is_some_and(Replaced::compares)
    }

    fn caught_up(&mut self) -> Result<(), SinkError> {
        let path = self.path.clone();
        let over = self.file()?.ends(&path);
        over.map_err(|error| self.failed("ending", &path, error))
    }

    fn leave(&mut self) -> Result<(), SinkError> {
        if self.shown.as_ref().is_some_and(|shown| shown.exists()) {
            return match std::fs::remove_file(&self.path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    Err(self.failed("removing", &self.path, error))
                }
                _ => Ok(()),
            };
        }
        if self.file()?.is_old() { Ok(()) } else { self.close() }
    }
}
