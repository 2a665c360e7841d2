//! Runs the tests of a script, each in several ways, and says what was found; writes expectations anew.

use std::ops::Range;

use highwater_sql::{Catalog, SqlError, SqlErrors, compile};

use super::super::driver::TestDriver;
use super::super::error::TestError;
use super::super::look::Look;
use super::super::setup::Setup;
use super::{Act, Script, Step, Test};

/// How a test is run. What it finds does not depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Way {
    /// Worker threads.
    pub workers: usize,
    /// Whether it is stopped and started again before every step, as far as sources have not ended.
    pub restarts: bool,
}

impl Way {
    /// On one worker, on three, and on two with restarts.
    pub const ALL: [Way; 3] =
        [Way { workers: 1, restarts: false }, Way { workers: 3, restarts: false }, Way { workers: 2, restarts: true }];
}

/// What did not come out as expected.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Failure {
    /// The step's line, from 1.
    pub line: usize,
    /// In which way it was run.
    pub way: Way,
    /// What is wrong, over several lines.
    pub what: String,
}

/// How a test went.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Report {
    /// Its name.
    pub name: String,
    /// Its line, from 1.
    pub line: usize,
    /// What did not come out as expected; nothing of one that passes.
    pub failures: Vec<Failure>,
    /// Lines of the file (from 0) to be written anew, and what they are then.
    rewritten: Vec<(Range<usize>, Vec<String>)>,
}

impl Report {
    /// Whether all came out as expected.
    pub fn passed(&self) -> bool {
        self.failures.is_empty()
    }
}

impl Script {
    /// Runs the tests whose names are wanted in the given ways. One that fails in a way is not run in those behind it.
    ///
    /// # Errors
    /// The program is refused, and no test expects that.
    pub fn run(&self, ways: &[Way], wanted: impl Fn(&str) -> bool) -> Result<Vec<Report>, SqlErrors> {
        self.run_with(&Catalog::new(), ways, wanted)
    }

    /// As [`Script::run`], of a program that calls functions of one's own, or names connectors and formats.
    ///
    /// # Errors
    /// The program is refused, and no test expects that.
    pub fn run_with(
        &self,
        catalog: &Catalog,
        ways: &[Way],
        wanted: impl Fn(&str) -> bool,
    ) -> Result<Vec<Report>, SqlErrors> {
        let refused = compile(&self.files(), catalog).err();
        let expected = self.tests.iter().any(|test| test.expects_error());
        if let Some(errors) = refused.as_ref().filter(|_| !expected) {
            return Err(errors.clone());
        }
        Ok(self
            .tests
            .iter()
            .filter(|test| wanted(&test.name))
            .map(|test| self.run_test(test, catalog, refused.as_deref(), ways))
            .collect())
    }

    /// The text with the expectations that failed in the first way as what was found; `None` if that changes nothing.
    pub fn updated(&self, reports: &[Report]) -> Option<String> {
        let mut rewritten: Vec<&(Range<usize>, Vec<String>)> =
            reports.iter().flat_map(|report| &report.rewritten).collect();
        rewritten.sort_by_key(|(lines, _)| lines.start);
        if rewritten.is_empty() {
            return None;
        }
        let lines: Vec<&str> = self.text.split_inclusive('\n').collect();
        let (mut text, mut at) = (String::new(), 0);
        for (range, fresh) in rewritten {
            text += &lines[at..range.start].concat();
            if !text.is_empty() && !text.ends_with('\n') {
                text.push('\n');
            }
            fresh.iter().for_each(|line| text += &format!("--   {line}\n"));
            at = range.end;
        }
        text += &lines[at..].concat();
        Some(text)
    }

    fn files(&self) -> Vec<(String, String)> {
        vec![(self.name.clone(), self.text.clone())]
    }

    fn run_test(&self, test: &Test, catalog: &Catalog, refused: Option<&[SqlError]>, ways: &[Way]) -> Report {
        let mut report =
            Report { name: test.name.clone(), line: test.line, failures: Vec::new(), rewritten: Vec::new() };
        let first = ways.first().copied().unwrap_or(Way::ALL[0]);
        if test.expects_error() {
            test.compare_errors(refused, first, &mut report);
            return report;
        }
        if refused.is_some() {
            let what = "the program is refused, as another test of the file expects".to_owned();
            report.failures.push(Failure { line: test.line, way: first, what });
            return report;
        }
        for (number, &way) in ways.iter().enumerate() {
            self.run_once(test, catalog, way, number == 0, &mut report);
            if !report.passed() {
                break;
            }
        }
        report
    }

    /// Runs a test once. What is not as expected does not end it, what cannot be done does.
    fn run_once(&self, test: &Test, catalog: &Catalog, way: Way, rewrites: bool, report: &mut Report) {
        let failed = |line: usize, error: &TestError| Failure { line, way, what: error.to_string() };
        let mut setup = Setup::files(self.files()).catalog(catalog.clone()).workers(way.workers);
        for step in &test.steps {
            if let Act::Read(source) = &step.act {
                setup = setup.reading(source);
            }
        }
        if way.restarts || test.steps.iter().any(|step| step.act == Act::Restart) {
            setup = setup.keeping();
        }
        let mut driver = match setup.start() {
            Ok(driver) => driver,
            Err(error) => return report.failures.push(failed(test.line, &error)),
        };
        let mut ended = false;
        for step in &test.steps {
            if way.restarts
                && !ended
                && let Err(error) = driver.restart()
            {
                return report.failures.push(failed(step.line, &error));
            }
            ended |= matches!(step.act, Act::End(_) | Act::Read(_));
            match step.run(&mut driver) {
                Ok(None) => {}
                Ok(Some(Found { error, rows })) => {
                    report.failures.push(failed(step.line, &error));
                    if rewrites && let Some(rows) = rows {
                        report.rewritten.push((step.lines.clone(), rows));
                    }
                }
                Err(error) => return report.failures.push(failed(step.line, &error)),
            }
        }
    }
}

impl Test {
    fn expects_error(&self) -> bool {
        self.steps.iter().any(|step| step.act == Act::Error)
    }

    fn compare_errors(&self, refused: Option<&[SqlError]>, way: Way, report: &mut Report) {
        let Some(step) = self.steps.first() else { return };
        let mut fail = |what: String| report.failures.push(Failure { line: step.line, way, what });
        let Some(errors) = refused else { return fail("the program is not refused".to_owned()) };
        let told = errors.iter().flat_map(|error| {
            let hint = error.hint.iter().flat_map(|hint| hint.lines()).map(|hint| format!("hint: {hint}"));
            let first = format!("{}:{}: {}", error.line, error.column, error.message);
            first.lines().map(str::to_owned).chain(hint).collect::<Vec<_>>()
        });
        let told: Vec<String> = told.map(|line| line.trim().to_owned()).collect();
        let expected: Vec<&str> = step.text.lines().collect();
        if told != expected {
            let marked = |mark: char, lines: &[String]| -> String {
                lines.iter().map(|line| format!("\n{mark} {line}")).collect()
            };
            let missing: Vec<String> = expected
                .iter()
                .filter(|line| !told.iter().any(|it| it == *line))
                .map(|line| (*line).to_owned())
                .collect();
            let extra: Vec<String> = told.iter().filter(|line| !expected.contains(&line.as_str())).cloned().collect();
            fail(format!("the program is refused otherwise:{}{}", marked('-', &missing), marked('+', &extra)));
            report.rewritten.push((step.lines.clone(), told));
        }
    }
}

/// What is there instead of what is expected.
struct Found {
    error: TestError,
    /// As it is to be written, if it can.
    rows: Option<Vec<String>>,
}

impl Step {
    fn run(&self, driver: &mut TestDriver) -> Result<Option<Found>, TestError> {
        match &self.act {
            Act::Read(_) | Act::Error => {}
            Act::Input(source) => drop(driver.push_text(source, &self.text)?),
            Act::Upsert(table) => driver.upsert(table, &self.text)?,
            Act::Delete(table) => driver.delete(table, &self.text)?,
            Act::Watermark(source, time) => driver.watermark(source, time)?,
            Act::At(time) => driver.at(time)?,
            Act::Advance(by) => driver.advance_by(by)?,
            Act::End(Some(source)) => driver.end(source)?,
            Act::End(None) => driver.end_all(),
            Act::Restart => driver.restart()?,
            Act::Expect(view) => return self.compare(driver, Look::Rows, view),
            Act::ExpectChanges(view) => return self.compare(driver, Look::Changes, view),
            Act::ExpectDeadLetters(of) => return self.compare(driver, Look::DeadLetters, of),
        }
        driver.settle()?;
        Ok(None)
    }

    fn compare(&self, driver: &mut TestDriver, look: Look, of: &str) -> Result<Option<Found>, TestError> {
        let seen = driver.look(look, of)?;
        let Err(error) = driver.compare(of, &seen, &self.text) else { return Ok(None) };
        Ok(Some(Found { error, rows: Some(seen.like(of, &self.text)) }))
    }
}
