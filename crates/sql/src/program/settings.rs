//! What `SET` changes of a program.

use datafusion_sql::sqlparser::tokenizer::Span;

use super::Program;
use crate::parse::error::Problem;
use highwater_core::plan::{LogSpec, Operators};
use highwater_core::time::Zone;

impl Program<'_> {
    /// The zone of a session is one for all that is declared: an instant is of one type.
    pub(crate) fn zone(&mut self, zone: Zone, span: Span) -> Result<(), Vec<Problem>> {
        if zone == self.context.zone() {
            return Ok(());
        }
        if !self.declared.is_empty() {
            let message = format!("the time zone is set to '{}' behind what was declared in another", zone.name());
            return Err(vec![Problem::at(span, message).hint("set it once, before the first CREATE")]);
        }
        self.context.set_zone(zone);
        Ok(())
    }

    /// What operators run on is one for the whole program: what several views read is computed once.
    pub(crate) fn run_on(&mut self, operators: Operators, span: Span) -> Result<(), Vec<Problem>> {
        if operators != self.operators && !self.declared.is_empty() {
            let message = format!("the operators are set to '{}' behind what was declared", operators.name());
            return Err(vec![Problem::at(span, message).hint("set them once, before the first CREATE")]);
        }
        self.operators = operators;
        Ok(())
    }

    /// The log is opened once, with the engine.
    pub(crate) fn keep_log(&mut self, log: LogSpec, span: Span) -> Result<(), Vec<Problem>> {
        if self.comes_late(self.file) {
            let changed = [
                (log.sync != self.log.sync, "log.sync"),
                (log.retention != self.log.retention, "log.retention"),
                (log.segment != self.log.segment, "log.segment"),
                (log.snapshots != self.log.snapshots, "snapshot.interval"),
            ];
            let name = changed.into_iter().find(|(changed, _)| *changed).map_or("log.overflow", |(_, name)| name);
            let message = format!("the log is open already: '{name}' cannot be set any more");
            return Err(vec![Problem::at(span, message).hint("set it in the program that the engine is started with")]);
        }
        self.log = log;
        Ok(())
    }
}
