//! `blackhole`: takes all rows and writes none, to measure what comes before.

use super::{SinkConnector, SinkError, SinkSpec, Writer, changes};
use crate::delta::Delta;
use crate::options::OptionSpec;
use crate::time::Epoch;

/// The connector `blackhole`.
#[derive(Debug)]
pub(super) struct Blackhole;

impl SinkConnector for Blackhole {
    fn name(&self) -> &'static str {
        "blackhole"
    }

    fn help(&self) -> &'static str {
        "takes rows and forgets them"
    }

    fn options(&self) -> &'static [OptionSpec] {
        &[]
    }

    fn check(&self, spec: &SinkSpec) -> Result<(), SinkError> {
        changes::check(spec, &[])
    }

    fn per_worker(&self, _: &SinkSpec) -> bool {
        true
    }

    fn consolidated(&self) -> bool {
        false
    }

    /// What it was handed is gone.
    fn resumes(&self, _: &SinkSpec) -> bool {
        true
    }

    fn open(&self, spec: &SinkSpec, _: usize, _: usize) -> Result<Box<dyn Writer>, SinkError> {
        self.check(spec)?;
        Ok(Box::new(Nothing))
    }
}

struct Nothing;

impl Writer for Nothing {
    fn write(&mut self, _: Epoch, _: &Delta) -> Result<(), SinkError> {
        Ok(())
    }

    fn flush(&mut self) -> Result<(), SinkError> {
        Ok(())
    }

    fn close(&mut self) -> Result<(), SinkError> {
        Ok(())
    }
}
