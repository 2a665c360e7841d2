//! Starting and ending the threads of a process: workers, readers, sinks, the connections to the peers, and the supervisor
//! that sees them out.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use timely::WorkerConfig;
use timely::communication::allocator::Allocator;
use timely::communication::allocator::zero_copy::initialize::CommsGuard;
use timely::communication::{WorkerGuards, initialize_from};
use timely::worker::{ProgressMode, Worker};

use super::cluster::Presence;
use super::control::Alarm;
use super::dead_file::DeadFile;
use super::durable::{Around, Changes, Durable, Logged, Rereads};
use super::extend::Extend;
use super::gossip::Gossip;
use super::latency::Latency;
use super::operators::Operators;
use super::peers::{Peers, break_off};
use super::push::Inbox;
use super::source::Parts;
use super::unit::{Unit, ring};
use super::units::Units;
use super::worker::{Work, run};
use super::*;
use crate::delta::Halt;
use crate::operator::Cuts;
use crate::plan::{self, TableSpec, show_row};
use crate::source::{Intake, Reader, SourceSpec, SplitId, SplitNumbers, Start};
use crate::time::Clock;
use crate::view::{Closing, Limits, View, Views};

/// How long a peer that has said goodbye may be ahead of this process before that counts as a stop.
const GOODBYE_MS: u64 = 2000;

/// How long to wait for the peers' presences at the end.
const FAREWELL_MS: u64 = 10_000;

/// How long the workers may take to end after a failure.
const GRACE_MS: u64 = 2000;

type Readers = Vec<Box<dyn Reader>>;

/// What is left of a start: doing again what a data directory holds ([`Engine::open`]).
#[must_use = "the engine does not go on before"]
pub struct Recovery {
    inner: Arc<Inner>,
    /// What is read once that is done.
    live: Vec<(Arc<Source>, Readers)>,
}

impl std::fmt::Debug for Recovery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recovery").finish_non_exhaustive()
    }
}

impl Recovery {
    /// Does again what the data directory holds, and goes on behind it. Blocks until every view shows what anybody can have seen.
    ///
    /// # Errors
    /// It cannot be done again, or the engine ended meanwhile; it is to be dropped then.
    pub fn run(self) -> Result<(), EngineError> {
        let Recovery { inner, live } = self;
        let (sources, tables, config, control) = (&inner.sources, &inner.tables, &inner.config, &inner.control);
        let mut recovered = None;
        if let Some(durable) = &inner.durable {
            if durable.replays() {
                return Ok(());
            }
            let sinks = &inner.units.all().iter().flat_map(|unit| unit.sinks.clone()).collect::<Vec<_>>();
            let (dataflow, views, startup) = (&inner.dataflow, &*inner.views, &config.startup);
            let gossip = inner.gossip.as_deref();
            recovered = durable.recover(&Around { dataflow, sources, views, sinks, startup, config, gossip })?;
            tables.iter().for_each(|table| table.goes_on());
            durable.start(sources, config.process)?;
            durable.decide(sources, config.process)?;
            durable.take_snapshots(sources, inner.cuts.as_ref(), config.process)?;
        }
        for (source, readers) in live {
            ingest::start(&source, readers, control, config.process)?;
        }
        ingest::start_ticker(sources, tables, config, (inner.gossip.clone(), inner.lead()), control)?;
        recovered.into_iter().for_each(|recovered| config.startup.has_recovered(recovered));
        Ok(())
    }
}

pub(super) fn start(dataflow: Dataflow, config: Config, extend: Option<Arc<Extend>>) -> Result<Engine, EngineError> {
    let (engine, recovery) = open(dataflow, config, extend)?;
    recovery.run()?;
    Ok(engine)
}

/// Starts all but what waits for a data directory to be done again.
pub(super) fn open(
    dataflow: Dataflow,
    config: Config,
    extend: Option<Arc<Extend>>,
) -> Result<(Engine, Recovery), EngineError> {
    config.check().map_err(EngineError::Config)?;
    let control = control::Control::new();
    let metrics = Arc::new(Metrics::new());
    let operators = Operators::new(metrics.clone());
    let latency = Arc::new(Latency::new(metrics.ingest_to_visible_seconds.clone()));
    if let Some(file) = &config.dead_letters_file {
        let clash = plan::overwritten(&dataflow, "the dead letters in", file).or_else(|| {
            let source = plan::reader(&dataflow, file)?;
            Some(format!("--dead-letters {} would overwrite what '{source}' reads", file.display()))
        });
        clash.map_or(Ok(()), |clash| Err(EngineError::Config(clash)))?;
    }
    let dead_file = DeadFile::open(config.dead_letters_file.as_deref(), config.process)?;
    let durable = Durable::open(&dataflow, &config, &control, &metrics, extend.is_some())?;
    let opening =
        Opening { metrics: &metrics, latency: &latency, dead_file: dead_file.as_ref(), durable: durable.as_ref() };
    let (sources, readers) = open_sources(&dataflow, &config, opening)?;
    if let Some(clash) = plan::clash(&dataflow) {
        return Err(EngineError::Dataflow { what: clash.what, remedy: plan::CLASH_REMEDY.to_owned() });
    }
    let peers = Peers::meet(&dataflow, &config, &control, durable.as_ref())?;
    let computed = config.views || extend.is_some();
    // The letters of views and sinks are the same in every process.
    let file = dead_file.as_ref().filter(|_| config.process == 0);
    let around = unit::Around {
        config: &config,
        control: &control,
        metrics: &metrics,
        dead_file: file,
        computed,
        durable: durable.as_ref(),
    };
    let opened = Unit::open(UnitId::PROGRAM, dataflow.clone(), around, &|source| vec![source.to_owned()]);
    let opened = opened.and_then(|unit| {
        let views = Arc::new(Views::new(unit.views.clone()));
        Ok((Arc::new(unit), open_tables(&dataflow, &config, &views, (durable.as_ref(), &peers.lineages[..]))?, views))
    });
    let (program, tables, views) = match opened {
        Ok(opened) => opened,
        Err(error) => {
            peers.abandon();
            return Err(error);
        }
    };
    let units = Arc::new(Units::new(program.clone(), config.workers));
    let (rejects, _) = Rejects::channel(show_row);
    let stopped = control.clone();
    let rejects = rejects.halting(move |Halt { what, remedy }| stopped.fail(EngineError::Dataflow { what, remedy }));
    let gossip = (config.processes() > 1).then(|| Arc::new(Gossip::new(&config, sources.len())));
    let saving = durable.as_ref().filter(|durable| durable.saves());
    let cuts = saving.map(|durable| Cuts::new(config.workers, durable.states()));
    let inner = Arc::new(Inner {
        dataflow: dataflow.clone(),
        config: config.clone(),
        sources: sources.clone(),
        tables: tables.clone(),
        presences: peers.presences.clone(),
        views: views.clone(),
        metrics: metrics.clone(),
        operators: operators.clone(),
        latency: latency.clone(),
        control: control.clone(),
        units: units.clone(),
        dead_file,
        gossip: gossip.clone(),
        durable: durable.clone(),
        cuts: cuts.clone(),
        stopped: AtomicBool::new(false),
        left: AtomicBool::new(false),
        ending: AtomicBool::new(false),
        whole: AtomicBool::new(false),
        clock: Clock::start(),
        changed: Mutex::default(),
        ended: Mutex::default(),
    });
    let Peers { builders, guard, sockets, presences, .. } = peers;
    let (queues, requests) = (sources.clone(), tables.clone());
    let (installed, words, kept, kept_states) = (units.clone(), gossip.clone(), durable.clone(), durable.clone());
    control.on_stop(move || {
        queues.iter().for_each(|source| source.close());
        requests.iter().for_each(|table| table.close());
        installed.close();
        words.iter().for_each(|words| words.close());
        kept.iter().for_each(|kept| kept.stop());
    });
    control.on_failure(move || break_off(&sockets));
    let (known, process) = (presences.clone(), config.process);
    control.set_suspect(move || known.iter().find(|peer| peer.lost()).map(|peer| peer.gone(process)));
    let shared = (control.clone(), sources.clone(), tables.clone(), config.clone());
    let work = Work {
        program,
        units,
        config,
        sources,
        tables,
        views,
        rejects,
        control,
        operators,
        latency,
        metrics,
        extend,
        gossip,
        cuts,
        durable: kept_states,
    };
    let work = Arc::new(work);
    let (control, sources, tables, config) = shared;
    // What the workers share, and with it the ends of the sinks' queues, goes with the last of them.
    let workers = initialize_from(builders, Box::new(()), move |allocator| work_as(allocator, &work));
    let workers = workers.map_err(|error| EngineError::Config(format!("no threads for the workers: {error}")))?;
    let supervisor = Supervisor { inner: inner.clone(), workers, guard, presences };
    control.keep(ingest::spawn("supervisor".to_owned(), move || supervisor.run())?);
    let engine = Engine { inner: inner.clone() };
    let all = sources.iter().cloned().zip(readers);
    let (live, again): (Vec<_>, Vec<_>) = all.partition(|(source, _)| source.live());
    // What is read again comes while what was kept does.
    for (source, readers) in again {
        ingest::start(&source, readers, &control, config.process)?;
    }
    if let Some(durable) = durable.clone().filter(|durable| durable.replays()) {
        tables.iter().for_each(|table| table.seal());
        let (process, inner) = (config.process, inner.clone());
        control.keep(ingest::spawn("replay".to_owned(), move || {
            inner.control.guard("replay", process, || {
                durable.run_again(&inner).unwrap_or_else(|error| inner.control.fail(error));
            });
        })?);
    } else if let Some(durable) = &durable {
        // Frames of what comes meanwhile name sources by their numbers.
        durable.begin(&sources)?;
        durable.summarise(config.process)?;
        durable.announce(&config.startup);
    }
    Ok((engine, Recovery { inner, live }))
}

/// The life of a worker thread.
fn work_as(allocator: Allocator, work: &Work) {
    let (process, index) = (work.config.process, allocator.index() - work.config.process * work.config.workers);
    work.control.guard(&format!("worker {index}"), process, || {
        let settings = WorkerConfig::default().progress_mode(ProgressMode::Demand);
        let mut worker = Worker::new(settings, allocator, Some(Clock::start().started()));
        let _alarm = Alarm(&work.control);
        run(&mut worker, work);
    });
    work.control.worker_ended();
}

/// What sources are opened with.
struct Opening<'a> {
    metrics: &'a Arc<Metrics>,
    latency: &'a Arc<Latency>,
    dead_file: Option<&'a Arc<DeadFile>>,
    durable: Option<&'a Arc<Durable>>,
}

impl Opening<'_> {
    fn source(
        &self,
        spec: &SourceSpec,
        config: &Config,
        (partitions, elsewhere): (Vec<ingest::Opened>, Vec<(usize, SplitId)>),
        (inbox, logged, rereads): (Option<Inbox>, Option<Logged>, Option<Rereads>),
    ) -> Arc<Source> {
        let (metrics, latency) = (self.metrics.clone(), self.latency.clone());
        let (spec, dead_file) = (spec.clone(), self.dead_file.cloned());
        let parts = Parts { spec, partitions, elsewhere, config, metrics, latency, inbox, dead_file, logged, rereads };
        Arc::new(Source::new(parts))
    }
}

type Opened = (Vec<Arc<Source>>, Vec<Readers>);

/// Opens all sources; keeps the partitions of this process.
fn open_sources(dataflow: &Dataflow, config: &Config, opening: Opening<'_>) -> Result<Opened, EngineError> {
    let (mut sources, mut all) = (Vec::new(), Vec::new());
    for (number, spec) in dataflow.sources.iter().enumerate() {
        let live = spec.connector.live(&spec.options);
        let logged = opening.durable.filter(|_| live).map(|durable| Logged::new(durable, number, spec));
        let replayed = opening.durable.filter(|durable| live && durable.replays());
        let rereads = opening.durable.filter(|durable| !live && !durable.replays());
        let rereads = rereads.map(|durable| Rereads::new(durable, number));
        // What is kept is all that is declared.
        let declared = logged.is_some().then(|| spec.declared());
        let read = declared.as_ref().unwrap_or(spec);
        if let Some(durable) = replayed {
            let partitions = durable.partitions(number);
            sources.push(opening.source(spec, config, (partitions, Vec::new()), (None, logged, None)));
            all.push(Vec::new());
            continue;
        }
        let mut found = config.startup.until_it_goes(&spec.name, || spec.connector.splits(spec))?;
        spec.check_order(found.len())?;
        let pushed = spec.connector.pushed(spec)?;
        // What is pushed to is opened by nobody.
        let pushed_parts = pushed.map_or(0, |_| found.len().max(1));
        found.truncate(if pushed.is_some() { 0 } else { found.len() });
        if let Some(durable) = opening.durable.filter(|_| !live) {
            durable.same_input(number, spec, &found)?;
        }
        let kept = opening.durable.filter(|_| pushed.is_none());
        let known = kept.map(|durable| durable.splits(number)).unwrap_or_default();
        let gone: Vec<SplitId> =
            known.iter().map(|(_, split)| split.clone()).filter(|split| !found.contains(split)).collect();
        found.extend(gone);
        let splits = SplitNumbers::of(known).number(found);
        let (ours, elsewhere): (Vec<_>, Vec<_>) =
            splits.into_iter().partition(|(number, _)| number % config.processes() == config.process);
        let start = |split| {
            let behind = |durable: &Arc<Durable>| durable.read_on((number, split), spec.connector.replay());
            opening.durable.map_or(Start::Beginning, behind)
        };
        let (numbers, splits): (Vec<usize>, Vec<_>) =
            ours.into_iter().map(|(number, split)| (number, (split, start(number)))).unzip();
        let readers: Readers = spec.connector.open(read, &splits)?;
        let opened = numbers.into_iter().zip(splits).zip(&readers);
        let mut partitions: Vec<_> = opened
            .map(|((number, (split, start)), reader)| {
                let name = reader.name().to_owned();
                // What is kept of it is done again from the beginning.
                let start = if logged.is_some() { Start::Beginning } else { start };
                ingest::Opened { number, split, start, name }
            })
            .collect();
        let mut inbox = None;
        if let Some(room) = pushed {
            for part in 0..pushed_parts {
                let number = part * config.processes() + config.process;
                let name = match pushed_parts {
                    1 => spec.connector.name().to_owned(),
                    _ => format!("{}/{part}", spec.connector.name()),
                };
                let (split, start) = (SplitId::new(number.to_string()), Start::Beginning);
                partitions.push(ingest::Opened { number, split, start, name });
            }
            inbox = Some(Inbox::new(Intake::new(read, config.pushed_row)?, room));
        }
        sources.push(opening.source(spec, config, (partitions, elsewhere), (inbox, logged, rereads)));
        all.push(readers);
    }
    Ok((sources, all))
}

/// Opens the reference tables, each with a store of its rows.
fn open_tables(
    dataflow: &Dataflow,
    config: &Config,
    views: &Arc<Views>,
    (durable, lineages): (Option<&Arc<Durable>>, &[String]),
) -> Result<Vec<Arc<Table>>, EngineError> {
    // All else could be opened: the directory is this program's from now on.
    durable.map_or(Ok(()), |durable| durable.starts(dataflow, config, lineages))?;
    let open = |(number, spec): (usize, &TableSpec)| {
        let kept = durable.map(|durable| Changes::new(durable, number));
        let limits = Limits { closing: Closing::Never, rows: usize::MAX, retention_ms: None, ring: ring(config) };
        let view = View::new(spec.view.clone(), &dataflow.nodes[spec.view.node].schema, limits).map(Arc::new)?;
        Table::open(spec.clone(), view, views.clone(), config.process, (config.tables_linger, kept)).map(Arc::new)
    };
    dataflow.tables.iter().enumerate().map(open).collect()
}

/// Sees the threads out.
struct Supervisor {
    inner: Arc<Inner>,
    workers: WorkerGuards<()>,
    guard: Option<CommsGuard>,
    presences: Vec<Arc<Presence>>,
}

impl Supervisor {
    fn run(self) {
        let Supervisor { inner, workers, guard, presences } = self;
        let control = inner.control.clone();
        let many = inner.config.workers;
        let pause = if presences.is_empty() { Duration::from_secs(1) } else { Duration::from_millis(10) };
        let (mut ahead, mut failing, mut halting): (Option<Clock>, Option<Clock>, Option<Clock>) = (None, None, None);
        let mut behind = behind::Behind::new();
        while !control.workers_ended(many, pause) {
            behind.look(&inner);
            inner.dead_file.iter().for_each(|file| file.look());
            if control.failure().is_some() && failing.get_or_insert_with(Clock::start).elapsed_ms() > GRACE_MS {
                break;
            }
            if let Some(gossip) = inner.gossip.as_ref().filter(|_| !control.stopping()) {
                confer(&inner, gossip, &mut halting);
            }
            // A peer that said goodbye long before this process is complete was stopped.
            let left = presences.iter().find(|peer| peer.left());
            let Some(peer) = left.filter(|_| !control.stopping()) else { continue };
            if ahead.get_or_insert_with(Clock::start).elapsed_ms() > GOODBYE_MS {
                tracing::warn!("peer process {} was stopped; process {} stops too", peer.index, inner.config.process);
                inner.stopped.store(true, Ordering::Release);
                control.stop();
            }
        }
        if control.failure().is_none() {
            // A panic in one was told by its guard, and is a failure.
            workers.join();
            inner.units.all().iter().for_each(|unit| unit.join());
            guard.into_iter().for_each(farewell);
            let written = inner.dead_file.as_ref().map_or(Ok(()), |file| file.finish());
            let kept =
                inner.durable.as_ref().map_or(Ok(()), |durable| durable.close().and_then(|()| durable.give_back()));
            written.and(kept).unwrap_or_else(|error| control.fail(error));
        } else {
            // Some thread may be stuck: nobody waits for it.
            std::mem::forget((workers, guard));
            inner.dead_file.iter().for_each(|file| file.leave());
        }
        inner.views.end();
        *inner.ended.lock().unwrap_or_else(PoisonError::into_inner) = Some(inner.clock.elapsed_seconds());
        control.set(control.failure().map_or(State::Done, State::Failed));
        control.stop();
    }
}

/// With the other processes: tells that this one's sources have ended; stops when another does; and once all that stop
/// have told how far they are, says where to end.
fn confer(inner: &Inner, gossip: &Gossip, halting: &mut Option<Clock>) {
    if inner.sources.iter().all(|source| source.ended()) {
        gossip.end(ingest::reach(&inner.sources));
    }
    if gossip.stops() && !inner.stopped.load(Ordering::Acquire) {
        tracing::info!("another process of the cluster stops; process {} stops too", inner.config.process);
        inner.halt();
    }
    if !inner.stopped.load(Ordering::Acquire) {
        return;
    }
    match gossip.goal() {
        Some(goal) => inner.control.aim(goal),
        None if halting.get_or_insert_with(Clock::start).elapsed_ms() > FAREWELL_MS => {
            tracing::warn!("the other processes do not stop; process {} does", inner.config.process);
            inner.control.stop();
        }
        None => {}
    }
}

/// Says goodbye to the peers and hears theirs; does not wait for ever.
fn farewell(guard: CommsGuard) {
    let parting = std::thread::spawn(move || {
        // It panics if one of its threads did, which was told.
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(guard)));
    });
    let clock = Clock::start();
    while !parting.is_finished() && clock.elapsed_ms() < FAREWELL_MS {
        std::thread::sleep(Duration::from_millis(1));
    }
}
