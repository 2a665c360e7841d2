//! Sinks: where results go, one connector a file; [`SINKS`] lists them all. A sink is handed whole epochs, in order.

mod blackhole;
mod changes;
pub mod conformance;
mod file;
mod filesystem;
mod foldered;
#[cfg(test)]
mod kept_tests;
mod left;
mod mark;
#[cfg(test)]
mod mark_tests;
mod parts;
mod print;
mod replaced;
mod rolling;
#[cfg(test)]
mod tests;

use std::fmt::Debug;

use arrow_schema::SchemaRef;

use crate::delta::Delta;
use crate::format::Formats;
use crate::options::{OptionError, OptionSpec, Options, Outputs};
use crate::registered::Registered;
use crate::retry;
use crate::time::Epoch;

pub use changes::{check as check_options, rows as written_rows, schema as written_schema};
pub use foldered::Foldered;
pub use mark::{Before, Mark};
pub(crate) use replaced::Replaced;

/// Every sink connector.
pub const SINKS: &[&dyn SinkConnector] = &[&filesystem::Filesystem, &print::Print, &blackhole::Blackhole];

/// Why a sink could not be opened or written.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// An option is unknown, missing or wrong.
    #[error(transparent)]
    Option(#[from] OptionError),
    /// Writing failed.
    #[error("sink '{sink}': {what}: {error}")]
    Io {
        /// The sink.
        sink: String,
        /// What was being done, with the path.
        what: String,
        /// The system's answer.
        #[source]
        error: std::io::Error,
    },
    /// The rows cannot be written so.
    #[error("sink '{sink}': {what}; {remedy}")]
    Schema {
        /// The sink.
        sink: String,
        /// What does not fit.
        what: String,
        /// What to write instead.
        remedy: String,
    },
}

impl SinkError {
    /// Whether it may pass by itself: then what failed can be done again.
    pub fn passes(&self) -> bool {
        matches!(self, SinkError::Io { error, .. } if retry::passes(error))
    }

    /// What is wrong, without the sink's name where that is said beside it.
    pub fn detail(&self) -> String {
        match self {
            SinkError::Io { what, error, .. } => format!("{what}: {error}"),
            other => other.to_string(),
        }
    }
}

/// A kind of sink: `'connector' = 'name'`.
pub trait SinkConnector: Send + Sync + Debug {
    /// Its name in SQL.
    fn name(&self) -> &str;

    /// One line on what it does.
    fn help(&self) -> &str;

    /// The options it understands besides `connector` and `format`.
    fn options(&self) -> &'static [OptionSpec];

    /// Checks schema and options without touching the outside.
    fn check(&self, spec: &SinkSpec) -> Result<(), SinkError>;

    /// How many writers the sink wants in all: one (results are gathered on the first worker of the first process), or
    /// one a worker (a folder with a part file each).
    fn per_worker(&self, spec: &SinkSpec) -> bool;

    /// Whether writers are handed what [`Writer::write`] says; a sink that forgets its rows is handed them as they come, for
    /// netting and sorting would be all its work.
    fn consolidated(&self) -> bool {
        true
    }

    /// How many files a writer may have open at once.
    fn descriptors(&self, _spec: &SinkSpec) -> usize {
        1
    }

    /// The files that it writes, if it writes files.
    fn outputs(&self, _spec: &SinkSpec) -> Option<Outputs> {
        None
    }

    /// Opens a writer; `part` is the index of the worker it is for (0 if there is one), of `parts` in all processes. What an
    /// earlier run left stays as it is.
    fn open(&self, spec: &SinkSpec, part: usize, parts: usize) -> Result<Box<dyn Writer>, SinkError>;

    /// Opens a writer of a run that is gone on with. If it has begun before it is handed again, from the first epoch on, what it wrote: what
    /// stands there is compared and passed over as far as it goes, where the format lets it; else it is written anew. It ends files when it is
    /// told to ([`Writer::to_end`]), and what is complete is safe on the disk before it says so.
    fn kept(&self, spec: &SinkSpec, part: usize, parts: usize, _before: Before) -> Result<Box<dyn Writer>, SinkError> {
        self.open(spec, part, parts)
    }

    /// Whether [`SinkConnector::kept`] goes on at a mark: then what is before need not be handed over again.
    fn resumes(&self, _spec: &SinkSpec) -> bool {
        false
    }

    /// Opens a writer where an earlier one of the same part was, as its [`Writer::mark`] said. It is handed what comes behind the
    /// mark again: what is there of it already is compared, and passed over.
    fn open_at(&self, spec: &SinkSpec, part: usize, parts: usize, mark: Mark) -> Result<Box<dyn Writer>, SinkError> {
        let (_, _, _) = (part, parts, mark);
        Err(mark::no_marks(spec, &format!("{} keeps nothing of it", self.name())))
    }
}

/// A sink as planned.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SinkSpec {
    /// Its name in SQL.
    pub name: String,
    /// The connector.
    pub connector: Registered<dyn SinkConnector>,
    /// The WITH options.
    pub options: Options,
    /// The formats that they may name.
    pub formats: Formats,
    /// The columns it is handed.
    pub schema: SchemaRef,
    /// The columns whose values name the folder that a row goes to (`PARTITIONED BY`), in that order.
    pub partition: Vec<usize>,
    /// Whether rows may be taken back: then `_op` and `_epoch` are written beside the columns.
    pub retracting: bool,
}

impl SinkSpec {
    /// A sink that is handed rows of these columns, of which none is taken back: without options.
    pub fn new(name: impl Into<String>, connector: Registered<dyn SinkConnector>, schema: SchemaRef) -> SinkSpec {
        SinkSpec {
            name: name.into(),
            connector,
            options: Options::default(),
            formats: Formats::default(),
            schema,
            partition: Vec::new(),
            retracting: false,
        }
    }
}

/// An open sink: what it is handed it keeps in memory until it is told to write it out, which may have to be tried again.
pub trait Writer: Send {
    /// The run has come to its first epoch: what an earlier one left goes. Called again as [`Writer::flush`] is; what is
    /// written out, and the end, see to it themselves.
    fn begin(&mut self) -> Result<(), SinkError> {
        Ok(())
    }

    /// Takes all changes of one epoch: consolidated (no row both inserted and retracted, retractions before insertions,
    /// each in the order of the rows), epochs ascending, never an empty one. Touches nothing outside.
    fn write(&mut self, epoch: Epoch, changes: &Delta) -> Result<(), SinkError>;

    /// An epoch without changes is complete, and so are all before it.
    fn pass(&mut self, _epoch: Epoch) {}

    /// How far what was written out holds whole epochs; `None` if the sink cannot be opened there.
    fn mark(&self) -> Option<Mark> {
        None
    }

    /// Ends what of the output can be read only once it is complete, or is of many files, so that there is a mark: what follows goes to
    /// other files. Returns the mark, as [`Writer::mark`] does. Called between epochs, and again as [`Writer::flush`] is.
    fn prepare(&mut self) -> Result<Option<Mark>, SinkError> {
        self.flush()?;
        Ok(self.mark())
    }

    /// A mark of this epoch or a later one is kept for good: what was prepared up to there is shown to others, if it was not
    /// before. Called again as [`Writer::flush`] is.
    fn commit(&mut self, _upto: Epoch) -> Result<(), SinkError> {
        Ok(())
    }

    /// Bytes that it has taken and not written out.
    fn gathered(&self) -> usize {
        0
    }

    /// Whether files are to be ended now, which [`Writer::flush`] does.
    fn is_due(&self) -> bool {
        false
    }

    /// Of an output that is gone on with: behind which epoch files are to be ended now, `stopping` if the run is. That is kept first; then it
    /// is told to [`Writer::prepare`] and, when the mark is kept, to [`Writer::commit`].
    fn to_end(&self, _stopping: bool) -> Option<Epoch> {
        None
    }

    /// Makes all that was written visible to others. Called again after it failed for a passing reason: it then goes on
    /// where it was, and nothing is written twice.
    fn flush(&mut self) -> Result<(), SinkError>;

    /// All that was written out is safe on the disk, with its name: it is not handed over again. Called again as [`Writer::flush`] is.
    fn secure(&mut self) -> Result<(), SinkError> {
        Ok(())
    }

    /// Ends the output (a footer, a rename); called last, and again as [`Writer::flush`] is.
    fn close(&mut self) -> Result<(), SinkError>;

    /// The run was stopped before its first epoch: what an earlier one left stays. Called instead of [`Writer::close`].
    fn leave(&mut self) -> Result<(), SinkError> {
        self.close()
    }

    /// The run is stopped, and a later one goes on with its output ([`SinkConnector::kept`]), which therefore does not end. `begun`: it
    /// has come to its first epoch. Called last, instead of [`Writer::close`] and [`Writer::leave`], and again as [`Writer::flush`] is.
    fn pause(&mut self, begun: bool) -> Result<(), SinkError> {
        if begun { self.close() } else { self.leave() }
    }

    /// Whether there is more of what an earlier run left with which what is written is compared.
    fn compares(&self) -> bool {
        false
    }

    /// All that an earlier run can have written was handed over again and written out: nothing else stands there, or it fails.
    fn caught_up(&mut self) -> Result<(), SinkError> {
        Ok(())
    }
}

/// Writes out what is in a buffer; what did not go stays in it.
pub(crate) fn drain(buffer: &mut Vec<u8>, out: &mut impl std::io::Write) -> std::io::Result<()> {
    let mut done = 0;
    let written = loop {
        match buffer.get(done..) {
            None | Some([]) => break Ok(()),
            Some(rest) => match out.write(rest) {
                Ok(0) => break Err(std::io::ErrorKind::WriteZero.into()),
                Ok(more) => done += more,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => break Err(error),
            },
        }
    };
    buffer.drain(..done);
    written
}
