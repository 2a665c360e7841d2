//! Installing and dropping units while rows flow.
//!
//! A unit reads sources from where it begins, and views and reference tables with the rows that they have then. Its views are shown
//! once they are there. Until then it holds nobody back; from then on sources wait for its views and sinks as for all others.

use std::hash::BuildHasher;
use std::sync::Arc;
use std::time::Duration;

use super::unit::{Around, Unit};
use super::units::Command;
use super::{Engine, EngineError, Inner, UnitId, UnitState};
use crate::plan::identity::{self, Part};
use crate::plan::{self, Dataflow, sources_around};
use crate::retry::State;
use crate::view::View;

/// A unit, as others see it.
#[derive(Clone, Debug)]
pub struct UnitShown {
    /// Its number.
    pub id: UnitId,
    /// The names of its views.
    pub views: Vec<String>,
    /// The names of its sinks.
    pub sinks: Vec<String>,
    /// Where it stands.
    pub state: UnitState,
}

fn refuse<T>(what: String, remedy: &str) -> Result<T, EngineError> {
    Err(EngineError::Dataflow { what, remedy: remedy.to_owned() })
}

impl Engine {
    /// Installs a plan beside what runs: its views and sinks come to those that are there. It reads the sources of the
    /// program as they were declared there (plan both in one `highwater::sql::Session`), and views and tables by their names. Returns
    /// once it is known where the unit begins; its views are shown when they are there ([`Engine::wait_shown`]).
    ///
    /// In a cluster every process must install and drop the same units in the same order; it waits for the others. Over a data directory
    /// it is refused, which does not remember units.
    pub fn install(&self, dataflow: Dataflow) -> Result<UnitId, EngineError> {
        let inner = &*self.inner;
        let _alone = inner.units.alone();
        inner.fits(&dataflow)?;
        let id = inner.units.next();
        let hash = foldhash::quality::FixedState::with_seed(1).hash_one(hashes(&identity::parts(&dataflow)));
        let around = Around {
            config: &inner.config,
            control: &inner.control,
            metrics: &inner.metrics,
            dead_file: inner.dead_file.as_ref().filter(|_| inner.config.process == 0),
            computed: true,
            durable: None,
        };
        let unit = Arc::new(Unit::open(id, dataflow, around, &|name| inner.feeds(name))?);
        inner.units.run(Command::Install(unit.clone()), hash, inner.gossip.as_deref())?;
        match unit.wait_begin() {
            Some(Ok(_)) => Ok(id),
            None => Err(EngineError::Config("the engine has ended before the unit began".to_owned())),
            Some(Err(())) => {
                self.take_away(&unit)?;
                refuse(
                    "a view that the unit reads has lost rows: closed ones made room for others".to_owned(),
                    "raise its 'max-rows' or 'retention', or read its sources instead",
                )
            }
        }
    }

    /// Drops a unit: its views and sinks are gone, whoever follows a view is told so, and what it held is free. What its sinks were
    /// handed is written. The program itself, and a unit whose views another reads, are not dropped.
    pub fn drop(&self, unit: UnitId) -> Result<(), EngineError> {
        let inner = &*self.inner;
        let _alone = inner.units.alone();
        let Some(dropped) = inner.units.get(unit).filter(|_| unit != UnitId::PROGRAM) else {
            let all = inner.units.all().iter().map(|unit| unit.id().to_string()).collect::<Vec<_>>().join(", ");
            return refuse(
                format!("there is no unit {unit} to drop"),
                &format!("the units are {all}; 0 is the program"),
            );
        };
        let reads = |view: &Arc<View>| {
            let reader = |other: &Arc<Unit>| other.dataflow.reads.iter().any(|read| read.name == view.name());
            let all = inner.units.all();
            all.into_iter().find(reader).map(|reader| (view.name().to_owned(), reader.id()))
        };
        if let Some((view, reader)) = dropped.views.iter().find_map(reads) {
            return refuse(format!("unit {reader} reads the view '{view}' of unit {unit}"), "drop that unit first");
        }
        self.take_away(&dropped)
    }

    fn take_away(&self, unit: &Arc<Unit>) -> Result<(), EngineError> {
        let inner = &*self.inner;
        let hash = foldhash::quality::FixedState::with_seed(2).hash_one(unit.id().0);
        unit.mute();
        inner.views.remove(&unit.views);
        inner.units.run(Command::Drop(unit.id()), hash, inner.gossip.as_deref())?;
        unit.join();
        inner.forget(unit);
        Ok(())
    }

    /// Waits until the views of a unit are shown, at most `timeout`; where it stands then.
    pub fn wait_shown(&self, unit: UnitId, timeout: Duration) -> UnitState {
        self.inner.units.get(unit).map_or(UnitState::Ended, |unit| unit.wait_shown(timeout))
    }

    /// The views of a unit, in its order, whether they are shown or not.
    pub fn views_of(&self, unit: UnitId) -> Vec<Arc<View>> {
        self.inner.units.get(unit).map_or_else(Vec::new, |unit| unit.views.clone())
    }

    /// The units, the program first.
    pub fn units(&self) -> Vec<UnitShown> {
        let shown = |unit: &Arc<Unit>| UnitShown {
            id: unit.id(),
            views: unit.dataflow.views.iter().map(|view| view.name.clone()).collect(),
            sinks: unit.sinks.iter().map(|sink| sink.name().to_owned()).collect(),
            state: unit.state(),
        };
        self.inner.units.all().iter().map(shown).collect()
    }
}

fn hashes(parts: &[Part]) -> Vec<(&str, u64)> {
    parts.iter().map(|part| (part.name.as_str(), part.hash)).collect()
}

impl Inner {
    /// Whether a plan can run beside what is there.
    fn fits(&self, unit: &Dataflow) -> Result<(), EngineError> {
        if !self.config.views {
            return refuse("no views are kept here".to_owned(), "start the engine with Config::views");
        }
        if self.durable.as_ref().is_some_and(|durable| !durable.replays()) {
            return refuse(
                "a unit is not remembered by the data directory: the next start would be without its views and sinks"
                    .to_owned(),
                "declare it in the program and start with Config::on_change of Rebuild (--on-change rebuild), which does again what came",
            );
        }
        if let Some(table) = unit.tables.first() {
            return refuse(
                format!("a unit brings the reference table '{}'", table.name()),
                "declare it in the program; a unit brings views and sinks",
            );
        }
        let (program, units) = (&self.dataflow, self.units.all());
        let parts = identity::parts(program);
        for part in identity::parts(unit).iter().filter(|part| part.name.starts_with("source ")) {
            match parts.iter().find(|there| there.name == part.name) {
                None => {
                    return refuse(
                        format!("a unit brings the {}", part.name),
                        "declare it in the program, which reads it",
                    );
                }
                Some(there) if there.hash != part.hash => {
                    return refuse(
                        format!("the {} is read otherwise: here {}; there {}", part.name, there.does, part.does),
                        "plan the program and its units in one Session, which decodes all columns",
                    );
                }
                Some(_) => {}
            }
        }
        if let Some(source) = unit.sources.iter().find(|source| source.changelog.is_some()) {
            return refuse(
                format!("a unit reads the changelog '{}', whose rows may have come before it begins", source.name),
                "declare a view of it in the program: a unit that reads a view begins with its rows",
            );
        }
        for read in &unit.reads {
            let stored = self.views.get(&read.name).map(|view| view.schema().clone());
            let stored = stored.or_else(|| Some(self.table_rows(&read.name)?.schema().clone()));
            match stored {
                None => return refuse(format!("there is no view '{}' to read", read.name), "install it first"),
                Some(schema) if types(&schema) != types(&read.schema) => {
                    return refuse(format!("the view '{}' has other columns", read.name), "plan the unit anew");
                }
                Some(_) => {}
            }
        }
        let taken: Vec<String> = units.iter().flat_map(|unit| unit.names()).collect();
        let brought = unit.views.iter().map(|view| &view.name).chain(unit.sinks.iter().map(|sink| &sink.spec.name));
        for name in brought {
            if taken.iter().any(|other| other.eq_ignore_ascii_case(name)) {
                return refuse(format!("there is '{name}' already"), "give it another name, or drop the unit it is of");
            }
        }
        let mut all =
            Dataflow { tables: program.tables.clone(), sources: program.sources.clone(), ..Dataflow::default() };
        all.sinks = units.iter().flat_map(|unit| unit.dataflow.sinks.clone()).chain(unit.sinks.clone()).collect();
        match plan::clash(&all) {
            Some(clash) => refuse(clash.what, plan::CLASH_REMEDY),
            None => Ok(()),
        }
    }

    /// The rows of a reference table.
    fn table_rows(&self, name: &str) -> Option<&Arc<View>> {
        self.tables.iter().find(|table| table.name() == name).map(|table| table.rows())
    }

    /// The sources behind a source, view or table.
    fn feeds(&self, name: &str) -> Vec<String> {
        if self.dataflow.sources.iter().any(|source| source.name == name) {
            return vec![name.to_owned()];
        }
        let units = self.units.all();
        let view = units.iter().find_map(|unit| {
            let view = unit.dataflow.views.iter().find(|view| view.name == name)?;
            Some((unit, view.node))
        });
        let around = view.map(|(unit, node)| sources_around(&unit.dataflow, node)).unwrap_or_default();
        around.iter().flat_map(|name| self.feeds(name)).collect()
    }

    /// Forgets what was counted of a unit.
    fn forget(&self, unit: &Unit) {
        let views = unit.views.iter().map(|view| view.name());
        views.for_each(|view| self.metrics.forget_view(view));
        unit.sinks.iter().for_each(|sink| self.metrics.forget_sink(sink.name(), State::ALL.map(State::name)));
    }
}

impl Unit {
    /// The names that it declares.
    fn names(&self) -> Vec<String> {
        let Dataflow { sources, tables, views, sinks, .. } = &self.dataflow;
        let sources = sources.iter().map(|source| source.name.clone());
        let tables = tables.iter().map(|table| table.name().to_owned());
        let sinks = sinks.iter().map(|sink| sink.spec.name.clone());
        views.iter().map(|view| view.name.clone()).chain(sources).chain(tables).chain(sinks).collect()
    }
}

fn types(schema: &arrow_schema::Schema) -> Vec<(&String, &arrow_schema::DataType)> {
    schema.fields().iter().map(|field| (field.name(), field.data_type())).collect()
}
