//! A program that a test drives.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMillisecondType;
use arrow_schema::{DataType, TimeUnit};
use highwater_core::counted::counted;
use highwater_core::delta::Delta;
use highwater_core::engine::{Config, Engine, Source};
use highwater_core::format::{Constant, constant};
use highwater_core::plan::Dataflow;
use highwater_core::time::{Epoch, HandClock, format_time_ms, parse_duration_ms};
use highwater_core::view::{Subscription, Update, View};

use super::error::TestError;
use super::folder::Folder;
use super::pushed::declared;
use super::setup::Setup;

/// What of a driver stays over restarts.
#[derive(Debug)]
pub(super) struct Driven {
    pub(super) dataflow: Dataflow,
    pub(super) config: Config,
    pub(super) clock: Arc<HandClock>,
    /// The view that each view and sink is looked at as.
    pub(super) looks: BTreeMap<String, String>,
    /// What is kept; it goes with the driver.
    pub(super) folder: Option<Folder>,
}

/// A program that a test drives: see [the module](super).
#[derive(Debug)]
pub struct TestDriver {
    /// First, so that it ends before its folder goes.
    pub(super) engine: Engine,
    pub(super) followed: BTreeMap<String, Followed>,
    pub(super) driven: Driven,
}

impl Drop for TestDriver {
    fn drop(&mut self) {
        if self.driven.folder.is_some() {
            // Nobody writes there any more when the folder goes.
            self.engine.stop(false);
            let _ = self.engine.wait_within(PATIENCE);
        }
    }
}

/// How long a run that keeps something may take to end.
const PATIENCE: Duration = Duration::from_secs(10);

/// A view's changes since they were last looked at.
#[derive(Debug)]
pub(super) struct Followed {
    subscription: Subscription,
    pub(super) changes: Vec<(bool, RecordBatch)>,
}

impl TestDriver {
    /// Runs a program on one worker, with all sources pushed to; [`Setup`] has more.
    ///
    /// # Errors
    /// The program is refused.
    pub fn new(program: impl Into<String>) -> Result<TestDriver, TestError> {
        Setup::new(program).start()
    }

    pub(super) fn start(driven: Driven) -> Result<TestDriver, TestError> {
        let engine = Engine::start(driven.dataflow.clone(), driven.config.clone())?;
        let followed = followed(&engine, |view| view.resume(Epoch::MIN));
        Ok(TestDriver { engine, followed, driven })
    }

    /// The engine that runs it.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The time that the driver's clock shows, in ms since 1970 UTC; `None` before it is set and before the first row. Until it is
    /// set it stands at the latest event time that was pushed.
    pub fn now_ms(&self) -> Option<i64> {
        self.driven.clock.now_ms()
    }

    /// Ends a source, or one of its [partitions](Setup::partitions), as a file ends: it holds no window open any more.
    ///
    /// # Errors
    /// There is no such source.
    pub fn end(&mut self, source: &str) -> Result<(), TestError> {
        let (name, partition) = self.addressed(source)?;
        for reading in self.readings(name)? {
            match partition {
                Some(partition) => self.engine.end_partition(&reading, partition),
                None => self.engine.end_source(&reading),
            }
        }
        Ok(())
    }

    /// Ends all sources.
    pub fn end_all(&mut self) {
        self.engine.sources().iter().for_each(|source| self.engine.end_source(source));
    }

    /// Moves the watermark of a source, or of one of its [partitions](Setup::partitions), to a time, written as SQL writes it, as if a row
    /// had: older rows that are pushed then are late.
    ///
    /// # Errors
    /// There is no such source, or it is no time.
    pub fn watermark(&mut self, source: &str, time: &str) -> Result<(), TestError> {
        let watermark = self.time(time)?;
        self.settle()?;
        let (name, partition) = self.addressed(source)?;
        self.engine.move_watermark(&*self.source(name)?, partition, watermark);
        Ok(())
    }

    /// Sets the clock to a time, written as SQL writes it, or as `12:00` of the day at which it stands. From then on rows do not
    /// move it.
    ///
    /// # Errors
    /// It is no time, or before the one at which the clock stands.
    pub fn at(&mut self, time: &str) -> Result<(), TestError> {
        let to = self.time(time)?;
        self.set(to)
    }

    /// Moves the clock on.
    ///
    /// # Errors
    /// It was not set, and no row came.
    pub fn advance(&mut self, by: Duration) -> Result<(), TestError> {
        let now = self.now_ms().ok_or_else(|| TestError::Impossible {
            what: "the clock was not set yet".to_owned(),
            remedy: "set it first, or push a row: until it is set it stands at the latest event time".to_owned(),
        })?;
        self.set(now.saturating_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX)))
    }

    /// The same, by a duration as options have it: `5 s`.
    ///
    /// # Errors
    /// See [`TestDriver::advance`]; or it is no duration.
    pub fn advance_by(&mut self, by: &str) -> Result<(), TestError> {
        let by = parse_duration_ms(by)
            .map_err(|what| TestError::Impossible { what, remedy: "the clock stays where it is".to_owned() })?;
        self.advance(Duration::from_millis(by.unsigned_abs()))
    }

    /// Waits until all that was pushed, changed and ended has gone through to views, sinks and dead letters, as far as the
    /// watermarks let it. Every look does that first.
    ///
    /// # Errors
    /// The engine failed.
    pub fn settle(&mut self) -> Result<(), TestError> {
        self.engine.settle()?;
        for (name, followed) in &mut self.followed {
            while let Some(update) = followed.subscription.poll() {
                let Update::Progress { changes, .. } = update else {
                    return Err(TestError::Impossible {
                        what: format!("the changes of '{name}' are gone"),
                        remedy: "look more often".to_owned(),
                    });
                };
                followed.changes.extend(changes.iter().flat_map(|epoch| one_by_one(&epoch.delta)));
            }
        }
        Ok(())
    }

    /// Stops the run with windows open and starts it again from what it kept; the driver must be [keeping](Setup::keeping).
    ///
    /// # Errors
    /// Nothing is kept, or the engine cannot go on.
    pub fn restart(&mut self) -> Result<(), TestError> {
        if self.driven.folder.is_none() {
            return Err(TestError::Impossible {
                what: "nothing is kept that a restart could go on from".to_owned(),
                remedy: "set the driver up with Setup::keeping".to_owned(),
            });
        }
        self.settle()?;
        self.engine.stop(false);
        self.engine.wait()?;
        self.engine = Engine::start(self.driven.dataflow.clone(), self.driven.config.clone())?;
        self.engine.settle()?;
        for (name, followed) in followed(&self.engine, |view| view.subscribe()) {
            if let Some(before) = self.followed.get_mut(&name) {
                before.subscription = followed.subscription;
            }
        }
        Ok(())
    }

    fn set(&mut self, to: i64) -> Result<(), TestError> {
        // What was pushed before came before that.
        self.settle()?;
        match self.driven.clock.set(to) {
            true => Ok(()),
            false => Err(TestError::Impossible {
                what: format!("the clock does not go back to {}", format_time_ms(to)),
                remedy: format!("it stands at {}", self.now_ms().map_or_else(String::new, format_time_ms)),
            }),
        }
    }

    fn time(&self, text: &str) -> Result<i64, TestError> {
        let kind = DataType::Timestamp(TimeUnit::Millisecond, None);
        let read = |text: &str| match constant(&kind, text, self.driven.dataflow.zone) {
            Some(Constant::Value(value)) => value.as_primitive::<TimestampMillisecondType>().iter().next().flatten(),
            _ => None,
        };
        let day = self.now_ms().map(format_time_ms).and_then(|now| now.split('T').next().map(str::to_owned));
        let colons = text.matches(':').count();
        let short = text.chars().all(|c| c.is_ascii_digit() || matches!(c, ':' | '.')) && colons > 0;
        let whole = match (short, day) {
            (false, _) => text.to_owned(),
            (true, Some(day)) if colons == 1 => format!("{day} {text}:00"),
            (true, Some(day)) => format!("{day} {text}"),
            (true, None) => {
                return Err(TestError::Impossible {
                    what: format!("'{text}' is of no day yet"),
                    remedy: format!("write the day too, as 2026-01-01 {text}"),
                });
            }
        };
        read(&whole).ok_or_else(|| TestError::Impossible {
            what: format!("'{text}' is no time"),
            remedy: "write it as 2026-01-01 12:00:00, or 12:00 for the day at which the clock stands".to_owned(),
        })
    }

    /// A source by the name that it is declared by; where it is read by event time and by arrival, the former.
    pub(super) fn source(&self, name: &str) -> Result<Arc<Source>, TestError> {
        let readings = self.readings(name)?;
        let by_event_time = readings.iter().find(|reading| !reading.spec().by_arrival());
        Ok(by_event_time.unwrap_or(&readings[0]).clone())
    }

    /// A source, and which of its partitions, by a name that may say that: `bids/1`.
    pub(super) fn addressed<'a>(&self, name: &'a str) -> Result<(&'a str, Option<usize>), TestError> {
        let unknown = match self.source(name) {
            Ok(_) => return Ok((name, None)),
            Err(unknown) => unknown,
        };
        let Some((source, Ok(partition))) = name.rsplit_once('/').map(|(name, at)| (name, at.parse::<usize>())) else {
            return Err(unknown);
        };
        let partitions = self.source(source)?.partition_count();
        match partition < partitions {
            true => Ok((source, Some(partition))),
            false => Err(TestError::Impossible {
                what: format!("source '{source}' has {}, the first of which is 0", counted(partitions, "partition")),
                remedy: "set the driver up with Setup::partitions".to_owned(),
            }),
        }
    }

    /// How a source is read: once, or by event time and by arrival.
    pub(super) fn readings(&self, name: &str) -> Result<Vec<Arc<Source>>, TestError> {
        let sources = self.engine.sources();
        let of = |same: &dyn Fn(&str) -> bool| -> Vec<Arc<Source>> {
            sources.iter().filter(|source| same(declared(source.spec()))).cloned().collect()
        };
        let mut found = of(&|declared| declared == name);
        if found.is_empty() {
            found = of(&|declared| declared.eq_ignore_ascii_case(name));
        }
        let mut known: Vec<String> = sources.iter().map(|source| declared(source.spec()).to_owned()).collect();
        known.dedup();
        let unknown = TestError::Unknown { kind: "source that something reads", name: name.to_owned(), known };
        if found.is_empty() { Err(unknown) } else { Ok(found) }
    }

    pub(super) fn view(&self, name: &str) -> Result<Arc<View>, TestError> {
        let looks = &self.driven.looks;
        let of = |it: &str| looks.iter().find(|(known, _)| known.eq_ignore_ascii_case(it)).map(|(_, view)| view);
        let found = looks.get(name).or_else(|| of(name)).and_then(|view| self.engine.views().get(view));
        let found = found.or_else(|| Some(self.engine.table(name)?.rows().clone()));
        found.ok_or_else(|| TestError::Unknown {
            kind: "published view, sink or reference table",
            name: name.to_owned(),
            known: looks.keys().cloned().collect(),
        })
    }
}

fn followed(engine: &Engine, subscribe: impl Fn(&Arc<View>) -> Subscription) -> BTreeMap<String, Followed> {
    let tables = engine.tables().iter().map(|table| table.rows().clone());
    let views: Vec<Arc<View>> = engine.views().all().iter().cloned().chain(tables).collect();
    let of =
        |view: &Arc<View>| (view.name().to_owned(), Followed { subscription: subscribe(view), changes: Vec::new() });
    views.iter().map(of).collect()
}

/// The changes of an epoch: whether rows came, and which.
fn one_by_one(delta: &Delta) -> Vec<(bool, RecordBatch)> {
    let each = (0..delta.len()).flat_map(|row| {
        let diff = delta.diff(row);
        std::iter::repeat_n((diff > 0, delta.batch().slice(row, 1)), diff.unsigned_abs() as usize)
    });
    each.collect()
}
