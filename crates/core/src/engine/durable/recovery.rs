//! What a data directory holds is done again when an engine starts: the same edges take the same rows and make the same moves, and the
//! same operators do with them what they did. It is over once every view is as far as anybody can have seen it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use highwater_log::{Error, Lsn, Past, Reader};

use super::super::config::Config;
use super::super::error::EngineError;
use super::super::frames::{self, Decided, Frame, Pushed, Unreadable};
use super::super::gossip::{Fed, Gossip};
use super::super::ingest::ticks;
use super::super::sink::Sink;
use super::super::source::Source;
use super::super::startup::{Recovered, Recovering, Startup};
use super::Durable;
use super::source::Unlike;
use crate::plan::{Dataflow, NodeId, Op, below};
use crate::time::{Clock, Epoch};
use crate::view::Views;

/// How often it is told how far it is, in frames.
const TOLD_EVERY: u64 = 256;

/// How often it is looked whether the views are there.
const LOOK: Duration = Duration::from_millis(2);

/// Frames of one partition that it has taken when it is saved behind them.
const OF_PARTITIONS: [u8; 7] =
    [frames::ROWS, frames::DECIDED, frames::MOVE, frames::LEASE, frames::END, frames::INPUT, frames::LEARNT];

/// Frames that are read over rather than that the next one is looked for.
pub(super) const NEAR: u64 = 1 << 16;

/// What is there to do it with.
pub(in super::super) struct Around<'a> {
    pub(in super::super) dataflow: &'a Dataflow,
    pub(in super::super) sources: &'a [Arc<Source>],
    pub(in super::super) views: &'a Views,
    pub(in super::super) sinks: &'a [Arc<Sink>],
    pub(in super::super) startup: &'a Startup,
    pub(in super::super) config: &'a Config,
    /// What the processes of a cluster tell each other.
    pub(in super::super) gossip: Option<&'a Gossip>,
}

/// A log that is read, and when what it holds there came.
struct Following {
    at: usize,
    reader: Reader,
    end: Lsn,
    came_ms: i64,
}

/// Frames with rows that others decide on, each read behind the one before of its log and source.
#[derive(Default)]
struct Behind(BTreeMap<(usize, u32), Reader>);

impl Behind {
    /// The frame that was decided on, for `take`.
    fn with<T>(
        &mut self,
        (log, past): (usize, &Past),
        decided: &Decided,
        take: impl FnOnce(&Pushed<'_>) -> Result<T, Unlike>,
    ) -> Result<Result<T, Unlike>, Error> {
        let (at, of) = (Lsn(decided.pushed), (log, decided.source));
        let near = |reader: &&mut Reader| reader.next_lsn() <= at && at.0 - reader.next_lsn().0 <= NEAR;
        if self.0.get_mut(&of).filter(near).is_none() {
            self.0.insert(of, past.reader(at)?);
        }
        let missing = || Unreadable(format!("what it decides on, frame {at}, is not there"));
        let Some(reader) = self.0.get_mut(&of) else { return Ok(Err(missing().into())) };
        while reader.next_lsn() < at {
            if reader.read()?.is_none() {
                return Ok(Err(missing().into()));
            }
        }
        let frame = reader.read()?.map(|frame| Frame::read(frame.kind, frame.bytes));
        Ok(match frame {
            Some(Ok(Frame::Pushed(rows))) if rows.source == decided.source => take(&rows),
            Some(Err(error)) => Err(error.into()),
            _ => Err(missing().into()),
        })
    }
}

impl Durable {
    /// Says that there is something to do again, if there is.
    pub(in super::super) fn announce(&self, startup: &Startup) {
        if self.past.end() > Lsn(0) {
            startup.recovers(Recovering { share: 0.0, rows: 0 });
        }
    }

    /// Does again what the directory holds. Blocks until the views show it; how it went, if there was anything.
    pub(in super::super) fn recover(&self, around: &Around<'_>) -> Result<Option<Recovered>, EngineError> {
        let end = self.past.end();
        if end == Lsn(0) && around.gossip.is_none() {
            self.counts.progress.set(1.0);
            return Ok(None);
        }
        let clock = Clock::start();
        let tell = |share, rows| {
            self.counts.progress.set(share);
            if end > Lsn(0) {
                around.startup.recovers(Recovering { share, rows });
            }
        };
        let rows = self.feed(around.sources, &tell)?;
        while !around.sources.iter().all(|source| source.caught_up()) && !self.is_over() {
            if self.control.stopping() {
                return Err(self.unlike(end, Unlike::Closed));
            }
            std::thread::sleep(LOOK);
        }
        let told: Vec<Fed> = around.sources.iter().map(|source| source.reached()).collect();
        // What a view shows is as far as the least of all processes, and ticks have to be beyond those of all.
        let told = around
            .gossip
            .map_or_else(|| Ok(told.clone()), |gossip| gossip.fed(told.clone()))
            .map_err(|_| self.unlike(end, Unlike::Closed))?;
        let greatest = told.iter().flatten().map(|(_, tick)| *tick).max().unwrap_or(0);
        self.lead.store((greatest + 1).saturating_sub(ticks(around.config, 0)), Ordering::Relaxed);
        self.shown(around, &told)?;
        let seconds = clock.elapsed_seconds();
        self.counts.recovered(rows, seconds);
        Ok((end > Lsn(0)).then_some(Recovered { rows, seconds }))
    }

    /// Hands all frames to the sources, telling how far it is; how many rows that were.
    pub(super) fn feed(&self, sources: &[Arc<Source>], tell: &dyn Fn(f64, u64)) -> Result<u64, EngineError> {
        let restored = self.restored.as_ref();
        let cuts: BTreeMap<(u32, u32), u64> =
            restored.iter().flat_map(|from| &from.partitions).map(|cut| (cut.of(), cut.lsn)).collect();
        let log = |(at, past): (usize, &Past)| {
            let reader = past.reader(restored.map_or(past.first(), |restored| restored.from))?;
            Ok(Following { at, reader, end: past.end(), came_ms: i64::MIN })
        };
        let logs = self.pasts().enumerate().map(log).collect::<Result<Vec<_>, Error>>();
        let mut logs = logs.map_err(|error| self.broken(&error))?;
        let all: u64 = logs.iter().map(|log| log.end.0.saturating_sub(log.reader.next_lsn().0)).sum();
        let (mut done, mut rows, mut behind) = (0_u64, 0, Behind::default());
        let mut leases: Vec<super::super::frames::Move> = Vec::new();
        for cut in restored.iter().flat_map(|from| &from.partitions) {
            let source = sources.get(cut.of().0 as usize);
            let source = source.ok_or_else(|| Unlike::from(Unreadable("of a source that is not there".to_owned())));
            let goes_on = source.and_then(|source| source.goes_on_from(cut));
            goes_on.map_err(|unlike| self.unlike(Lsn(cut.lsn), unlike))?;
            leases.extend(cut.lease());
        }
        // Those of several processes side by side, as rows came: so no view waits long for what another log has.
        while let Some(log) =
            logs.iter_mut().filter(|log| log.reader.next_lsn() < log.end).min_by_key(|log| log.came_ms)
        {
            let Following { at, reader, end, came_ms } = log;
            let Some(frame) = reader.read().map_err(|error| self.broken(&error))? else {
                *end = Lsn(0);
                continue;
            };
            let lsn = frame.lsn;
            if done.is_multiple_of(TOLD_EVERY) {
                tell(done as f64 / all as f64, rows);
            }
            done += 1;
            let passed = |cut: &u64| lsn.0 < *cut && OF_PARTITIONS.contains(&frame.kind);
            if frames::of_partition(frame.bytes).and_then(|of| cuts.get(&of)).is_some_and(passed) {
                // It is in what was saved.
                continue;
            }
            let read = Frame::read(frame.kind, frame.bytes);
            *came_ms = read.as_ref().ok().and_then(Frame::came_ms).unwrap_or(*came_ms);
            let source = |number: u32| {
                // One that the program does not read is passed over.
                let Some(at) = self.matching.source(number) else { return Ok(None) };
                let found = sources.get(at as usize);
                found.map(Some).ok_or_else(|| Unlike::from(Unreadable(format!("there is no source {number}"))))
            };
            let on = |number: u32, work: &mut dyn FnMut(&Arc<Source>) -> Result<(), Unlike>| {
                source(number)?.map_or(Ok(()), work)
            };
            let fed = match read {
                Err(error) => Err(error.into()),
                Ok(Frame::Rows(taken)) => on(taken.source, &mut |source| {
                    rows += u64::from(taken.rows);
                    if !source.waits_for_room(|| self.control.stopping()) {
                        return Err(Unlike::Closed);
                    }
                    source.take_again(&taken)
                }),
                // What is decided on nowhere is taken behind all that was.
                Ok(Frame::Pushed(_)) => Ok(()),
                Ok(Frame::Decided(decided)) => on(decided.source, &mut |source| {
                    if !source.waits_for_room(|| self.control.stopping()) {
                        return Err(Unlike::Closed);
                    }
                    let Some(past) = self.pasts().nth(*at) else { return Err(Unlike::Closed) };
                    let taken = behind.with((*at, past), &decided, |pushed| {
                        rows += u64::from(pushed.rows);
                        source.decide_again(pushed, &decided)
                    });
                    taken.map_err(|error| {
                        self.control.fail(self.broken(&error));
                        Unlike::Closed
                    })?
                }),
                Ok(Frame::Move(to)) => on(to.source, &mut |source| source.move_again(&to)),
                Ok(Frame::Lease(to)) => {
                    leases.retain(|lease| (lease.source, lease.partition) != (to.source, to.partition));
                    leases.push(to);
                    Ok(())
                }
                Ok(Frame::End(of)) => on(of.source, &mut |source| source.end_again(of.partition)),
                Ok(Frame::Input(input)) => {
                    on(input.source, &mut |source| source.begins_again(input.partition, &input.name))
                }
                Ok(Frame::Learnt(learnt)) => on(learnt.source, &mut |source| source.learn_again(&learnt)),
                // Tables have taken their changes already.
                Ok(Frame::Request(_) | Frame::Taken(_) | Frame::Ahead(_)) => Ok(()),
                Ok(Frame::Start(_) | Frame::Program(_) | Frame::Source(_) | Frame::Split(_)) => Ok(()),
                // Sinks know already; what a summary says it has been read for.
                Ok(Frame::Begun(_) | Frame::Ended(_) | Frame::Summary(_)) => Ok(()),
                Ok(Frame::Other(kind)) => Err(Unreadable(format!("kind {kind} is not known")).into()),
            };
            fed.map_err(|unlike| self.unlike(lsn, unlike))?;
        }
        tell(1.0, rows);
        for lease in leases {
            let at = self.matching.source(lease.source).map(|at| at as usize);
            let Some(source) = at.and_then(|at| sources.get(at)) else { continue };
            source.lease_again(&lease).map_err(|unlike| self.unlike(self.past.end(), unlike))?;
        }
        Ok(rows)
    }

    pub(super) fn unlike(&self, lsn: Lsn, unlike: Unlike) -> EngineError {
        let version = "open it with the version that wrote it, or name another directory";
        match unlike {
            Unlike::Unreadable(error) => self.wrong(format!("frame {lsn} cannot be read: {error}"), version),
            Unlike::Differs(how) => {
                self.wrong(format!("at frame {lsn} this program does not do what was done before: {how}"), version)
            }
            Unlike::Closed => {
                let ended = || self.wrong("the engine ended while it went on from there", "start it again");
                self.control.failure().unwrap_or_else(ended)
            }
        }
    }

    /// Waits until every view is as far as what was fed lets it be, and sinks have compared that with what stands in their files.
    fn shown(&self, around: &Around<'_>, told: &[Fed]) -> Result<(), EngineError> {
        for view in around.views.all().iter() {
            if let Some(goal) = goal(around.dataflow, view.spec().node, told) {
                self.until(|| view.as_of() >= goal)?;
            }
        }
        for (sink, plan) in around.sinks.iter().zip(&around.dataflow.sinks) {
            let goal = goal(around.dataflow, plan.node, told);
            self.until(|| sink.has_compared(goal))?;
        }
        Ok(())
    }

    fn until(&self, there: impl Fn() -> bool) -> Result<(), EngineError> {
        while !there() && !self.is_over() {
            if self.control.stopping() {
                return Err(self.unlike(Lsn(0), Unlike::Closed));
            }
            std::thread::sleep(LOOK);
        }
        Ok(())
    }
}

/// How far a node comes by what was fed. Who reads a table follows all streams: so does the table.
fn goal(dataflow: &Dataflow, node: NodeId, told: &[Fed]) -> Option<Epoch> {
    let below = below(dataflow, node);
    let by_table = below.iter().any(|&node| matches!(dataflow.nodes[node].op, Op::Table { .. }));
    let read = |source: usize| {
        below.iter().any(|&node| matches!(dataflow.nodes[node].op, Op::Source { source: of } if of == source))
    };
    let inputs = told.iter().enumerate().filter(|(source, _)| by_table || read(*source)).filter_map(|(_, told)| *told);
    inputs.map(|(least, _)| least).min()
}
