//! Tests of a program in its own comments: steps between SQL that any other command passes over.
//!
//! A test begins with `-- test: NAME` and goes on to the next one, or to the next line of SQL. In it a step is a comment with one
//! space behind the dashes, and what belongs to the step is on the lines below with two or more; `-- #` begins a note.
//!
//! ```sql
//! -- test: a window closes 5 s behind its end
//! -- input clicks
//! --   page | ts
//! --   /    | 2026-01-01 12:00:01
//! -- expect pages
//! -- watermark clicks 12:01
//! -- expect pages
//! --   page | views
//! --   /    | 1
//! ```

mod parse;
mod run;
#[cfg(test)]
mod tests;

use std::fmt;
use std::ops::Range;

pub use run::{Failure, Report, Way};

/// A program with the tests in its comments.
#[derive(Clone, Debug)]
pub struct Script {
    name: String,
    text: String,
    tests: Vec<Test>,
}

/// One test: it begins with nothing.
#[derive(Clone, Debug)]
struct Test {
    name: String,
    line: usize,
    steps: Vec<Step>,
}

/// One step, and what belongs to it.
#[derive(Clone, Debug)]
struct Step {
    line: usize,
    act: Act,
    /// The lines of the file that belong to it, from 0.
    lines: Range<usize>,
    /// Them without their dashes.
    text: String,
}

/// What a step does.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Act {
    Read(String),
    Input(String),
    Upsert(String),
    Delete(String),
    Watermark(String, String),
    At(String),
    Advance(String),
    End(Option<String>),
    Restart,
    Expect(String),
    ExpectChanges(String),
    ExpectDeadLetters(String),
    Error,
}

/// The steps, as they are written and what they do.
pub const STEPS: &[(&str, &str)] = &[
    ("read SOURCE", "the source is read as it is declared (a file), not pushed to; before all other steps"),
    ("input SOURCE", "pushes the rows below: a table, JSON, or lines in the source's own format"),
    ("upsert TABLE", "puts the rows below into a reference table, in the place of those with their keys"),
    ("delete TABLE", "takes rows out of a reference table, by the keys below"),
    ("watermark SOURCE TIME", "moves the source's watermark there"),
    ("at TIME", "sets the clock; until then it stands at the latest event time that was pushed"),
    ("advance DURATION", "moves the clock on"),
    ("end [SOURCE]", "ends the source, or all: what is open closes"),
    ("restart", "stops the run with windows open and starts it again from its data directory"),
    ("expect VIEW", "the rows of a view, sink or reference table now are those below, in any order"),
    (
        "expect changes VIEW",
        "what was inserted and retracted since this was last asked is that below; `_op` is a column",
    ),
    (
        "expect dead letters NAME",
        "the dead letters so far of a source, view or sink are those below: reason, detail, content",
    ),
    ("error", "the program is refused, with the errors below; the only step of its test"),
];

/// A step that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptError {
    /// The file, as it was named.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong.
    pub what: String,
}

impl Script {
    /// Reads the tests of a program, by its name and text. A program without tests has none.
    ///
    /// # Errors
    /// The first step that cannot be read.
    pub fn parse(name: impl Into<String>, text: impl Into<String>) -> Result<Script, ScriptError> {
        let (name, text) = (name.into(), text.into());
        let tests = parse::tests(&text).map_err(|(line, what)| ScriptError { file: name.clone(), line, what })?;
        Ok(Script { name, text, tests })
    }

    /// How the program is named.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The names of its tests, each with its line from 1.
    pub fn tests(&self) -> impl Iterator<Item = (&str, usize)> {
        self.tests.iter().map(|test| (test.name.as_str(), test.line))
    }
}

impl fmt::Display for ScriptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.what)
    }
}

impl std::error::Error for ScriptError {}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let workers = highwater_core::counted::counted(self.workers, "worker");
        match self.restarts {
            false => write!(f, "on {workers}"),
            true => write!(f, "on {workers}, restarted before every step"),
        }
    }
}
