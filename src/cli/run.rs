//! `highwater run FILE.sql...`: plans a program, runs it, serves it.
//!
//! The first Ctrl-C or SIGTERM stops the run and waits for its end (with `--drain` open windows close first), at most
//! `--stop-timeout`; the second ends the process at once. While the engine starts, a server that says so is up already.

use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

use super::access::{Files, access};
use super::progress::{self, Line, counted, grouped};
use super::settings::{FILE, LogFormat, OnChange, Settings, Share};
use super::signals::{self, Signals};
use super::telemetry::{Telemetry, Teller, telemetry};
use super::{Outcome, descriptors, logging, program};
use crate::serve::{Access, Limit};
use crate::{plan, serve};
use highwater_core::delta::Reject;
use highwater_core::engine::{self, Config, Engine, EngineError, FailedFor, Letter, RejectedFor, Summary};
use highwater_core::format::MAX_DEPTH;
use highwater_core::plan::{Dataflow, LogSpec};
use highwater_core::source::RowLimits;
use highwater_sql::Compiled;

/// More workers or processes are a slip of the finger.
pub(super) const WORKERS: usize = 1024;
const PROCESSES: usize = 1024;

/// How long the run may take to end, if nothing else is said: less than what a supervisor waits before it kills (30 s).
const STOP_TIMEOUT: Duration = Duration::from_secs(25);

/// How often the files of tokens and certificates are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// A start that takes longer is told of.
const SLOW_START: Duration = Duration::from_secs(1);

/// The port of the first process, if none is given.
const PORT: u16 = 8080;

/// How many reasons a run tells at its end, of each source, view and sink.
const REASONS: usize = 3;

/// How long open requests may take to end once the run has.
const GRACE: Duration = Duration::from_secs(5);

/// What to run, and how.
#[derive(clap::Args, Debug)]
pub(super) struct Run {
    /// The program: files that are read one after the other
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    settings: Settings,
}

/// Runs to the end, whatever ends it.
pub(super) fn run(args: Run) -> Outcome {
    match start(args) {
        Ok(()) => Outcome::Done,
        Err(outcome) => outcome,
    }
}

fn start(args: Run) -> Result<(), Outcome> {
    let settings = args.settings.or(Settings::read(Path::new(FILE)).map_err(Outcome::usage)?);
    let mut config = config(&settings).map_err(Outcome::usage)?;
    let telemetry = telemetry(settings.otlp.as_deref(), config.process).map_err(Outcome::usage)?;
    let (runtime, signals) = runtime()?;
    let texts = program::texts(&args.files)?;
    let compiled = program::plan(&texts)?;
    config.program = texts;
    if let Some(file) = settings.dead_letters.as_deref().filter(|file| program::holds(&args.files, file)) {
        return Err(Outcome::usage(format!("--dead-letters {} would overwrite the program", file.display())));
    }
    logging::start(settings.log_format.unwrap_or(LogFormat::Text));
    warn(&compiled);
    let LogSpec { sync, overflow, retention, segment, snapshots } = compiled.dataflow.log;
    let sets = [
        ("log.sync", sync.is_some()),
        ("log.overflow", overflow.is_some()),
        ("log.retention", retention.is_some()),
        ("log.segment", segment.is_some()),
        ("snapshot.interval", snapshots.is_some()),
    ];
    for (name, set) in sets {
        if settings.data_dir.is_none() && set {
            tracing::warn!("SET '{name}' does nothing without --data-dir: nothing is kept on disk");
        }
    }
    descriptors::raise();
    follow_on(runtime, serve_and_follow(compiled.dataflow, config, telemetry, &settings, signals))
}

/// The threads of the server, and the signals from the first moment on: a supervisor may send any of them while the program is read.
pub(super) fn runtime() -> Result<(Runtime, Signals), Outcome> {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(2).max_blocking_threads(serve::threads()).enable_all().build();
    let runtime = runtime.map_err(|error| Outcome::Failed(format!("no threads for the server: {error}")))?;
    let signals = runtime.block_on(async { Signals::listen() });
    let signals = signals.map_err(|error| Outcome::Failed(format!("signals: {error}")))?;
    Ok((runtime, signals))
}

/// Tells what is odd about a program.
pub(super) fn warn(compiled: &Compiled) {
    compiled.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    plan::check(&compiled.dataflow).iter().for_each(|warning| tracing::warn!("{warning}"));
}

/// Runs to the end.
pub(super) fn follow_on(runtime: Runtime, run: impl Future<Output = Result<(), Outcome>>) -> Result<(), Outcome> {
    let result = runtime.block_on(run);
    progress::wipe();
    // What is stuck is not waited for.
    runtime.shutdown_timeout(if result.is_ok() { GRACE } else { Duration::ZERO });
    result
}

/// Runs a plan as it is asked for, and serves it meanwhile.
pub(super) async fn serve_and_follow(
    dataflow: Dataflow,
    config: Config,
    telemetry: Option<Telemetry>,
    settings: &Settings,
    mut signals: Signals,
) -> Result<(), Outcome> {
    // Before anything runs: a port that is taken is found out at once.
    let listener = match settings.no_serve.unwrap_or(false) {
        true => None,
        false => {
            let address = address(settings, config.process);
            let access = access(settings, address).map_err(Outcome::usage)?;
            Some((bind(address).await?, access))
        }
    };
    let (started, mut starting) = watch::channel(false);
    let told = Arc::new(AtomicBool::new(false));
    let startup = config.startup.clone();
    if let Some((listener, access)) = &listener {
        let (second, access, startup, told) = (second(listener)?, access.clone(), startup.clone(), told.clone());
        // Others are waited for; alone it starts at once, but for what cannot be read just now.
        let pause = if config.processes() > 1 { Duration::ZERO } else { SLOW_START };
        tokio::spawn(async move {
            if tokio::time::timeout(pause, starting.wait_for(|started| *started)).await.is_err() {
                told.store(true, Ordering::Release);
                tell_address(&second, access.tls.is_some());
                let _ = serve::starting(second, access, startup, starting).await;
            }
        });
    }
    let open = tokio::task::spawn_blocking(move || Engine::open(dataflow, config));
    let opened = tokio::select! {
        opened = open => opened.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic())),
        Ok(()) = signals.end.changed() => return Err(stopped_early(&startup.read(), settings, *signals.end.borrow())),
    };
    let (engine, recovery) = opened.map_err(|error| Outcome::refused(error, settings))?;
    let engine = Arc::new(engine);
    let mut serving =
        Serving { listener, telemetry, started, told, begun: false, close: None, server: None, teller: None };
    // What clients push is taken while what was kept is done again.
    if engine.recovering().is_some() {
        serving.begin(&engine, settings, &signals)?;
    }
    let run = tokio::task::spawn_blocking(move || recovery.run());
    let folder = settings.data_dir.clone().unwrap_or_default();
    let ran = tokio::select! {
        ran = run => ran.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic())),
        Ok(()) = signals.end.changed() => return Err(stopped_early(&startup.read(), settings, *signals.end.borrow())),
        never = progress::recovery(&startup, &folder) => match never {},
    };
    progress::wipe();
    ran.map_err(|error| Outcome::refused(error, settings))?;
    if settings.data_dir.is_some() {
        tracing::info!("{}", progress::recovered(&folder, startup.recovered()));
    }
    serving.begin(&engine, settings, &signals)?;
    follow(engine, serving, settings, signals).await
}

/// What serves an engine, once it has begun to.
struct Serving {
    listener: Option<(TcpListener, Access)>,
    telemetry: Option<Telemetry>,
    /// Ends the server that says that there is no engine yet.
    started: watch::Sender<bool>,
    /// Whether the address was said.
    told: Arc<AtomicBool>,
    begun: bool,
    close: Option<oneshot::Sender<()>>,
    server: Option<JoinHandle<std::io::Result<()>>>,
    teller: Option<Teller>,
}

impl Serving {
    fn begin(&mut self, engine: &Arc<Engine>, settings: &Settings, signals: &Signals) -> Result<(), Outcome> {
        if std::mem::replace(&mut self.begun, true) {
            return Ok(());
        }
        self.started.send_replace(true);
        let teller = self.telemetry.take().map(|telemetry| telemetry.start(engine));
        self.teller = teller.transpose().map_err(Outcome::Failed)?;
        let Some((listener, mut access)) = self.listener.take() else { return Ok(()) };
        if !self.told.load(Ordering::Acquire) {
            tell_address(&listener, access.tls.is_some());
        }
        access.spans = self.teller.as_ref().map(Teller::recorder);
        if let Ok(address) = listener.local_addr()
            && access.tokens.is_none()
            && !address.ip().is_loopback()
        {
            tracing::warn!("everyone who reaches {address} may see and send everything");
        }
        tracing::debug!("limits: {}", access.limits);
        tokio::spawn(keep_fresh(Files::new(settings, &access), signals.reload.clone()));
        let (close, closed) = oneshot::channel::<()>();
        let stop = async { drop(closed.await) };
        self.close = Some(close);
        self.server = Some(tokio::spawn(serve::serve(listener, engine.clone(), access, stop)));
        Ok(())
    }
}

/// The end of a run that was told to end before it had begun: as that of one that was stopped.
fn stopped_early(doing: &str, settings: &Settings, signal: Option<i32>) -> Outcome {
    let doing = if doing.is_empty() { String::new() } else { format!(": it {doing}") };
    tracing::info!("stopped before the engine had started{doing}");
    match signal.filter(|_| settings.exit_at_end.unwrap_or(false)) {
        Some(signal) => Outcome::Stopped(signal),
        None => Outcome::Done,
    }
}

/// Another handle on a listener.
fn second(listener: &TcpListener) -> Result<TcpListener, Outcome> {
    let second = listener.as_fd().try_clone_to_owned().map(std::net::TcpListener::from);
    let second = second.and_then(TcpListener::from_std);
    second.map_err(|error| Outcome::Failed(format!("the server cannot listen: {error}")))
}

fn tell_address(listener: &TcpListener, tls: bool) {
    if let Ok(address) = listener.local_addr() {
        tracing::info!("serving {}://{address}", if tls { "https" } else { "http" });
    }
}

fn config(settings: &Settings) -> Result<Config, String> {
    let defaults = Config::default();
    let processes = settings.processes.unwrap_or(1);
    for (name, value, most) in [("workers", settings.workers, WORKERS), ("processes", settings.processes, PROCESSES)] {
        if value.is_some_and(|value| !(1..=most).contains(&value)) {
            return Err(format!("--{name} {}: write a number from 1 to {most}", value.unwrap_or_default()));
        }
    }
    if settings.data_dir.is_some() && settings.drain.unwrap_or(false) {
        // A source that has ended takes nothing after the restart either.
        return Err("--drain ends the sources for good, --data-dir goes on with them: leave one of both out".to_owned());
    }
    if settings.data_dir.is_none() && settings.restart_wait.is_some() {
        let why = "--restart-wait starts again from a data directory: name one with --data-dir, or leave it out";
        return Err(why.to_owned());
    }
    if settings.data_dir.is_none() && settings.on_change.is_some() {
        return Err(
            "--on-change says what becomes of a data directory: name one with --data-dir, or leave it out".to_owned()
        );
    }
    let limits = settings.limits.clone().unwrap_or_default();
    let addresses = match &settings.hostfile {
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
            Config::hostfile(&text, processes)?
        }
        None => Config::localhost(processes),
    };
    Ok(defaults.clone().with(|config| {
        config.workers = settings.workers.unwrap_or(defaults.workers);
        config.process = settings.process.unwrap_or(0);
        config.addresses = addresses;
        config.peer_timeout =
            settings.peer_timeout.map_or(defaults.peer_timeout, |timeout| Duration::from_millis(timeout.0));
        config.connect_timeout = settings
            .restart_wait
            .map_or(defaults.connect_timeout, |wait| defaults.connect_timeout.max(Duration::from_millis(wait.0)));
        config.tick_ms = settings.tick.map_or(defaults.tick_ms, |tick| tick.0);
        config.tick_rows =
            settings.tick_rows.map_or(defaults.tick_rows, |rows| usize::try_from(rows).unwrap_or(usize::MAX));
        config.views = !settings.no_serve.unwrap_or(false);
        config.tables_linger = !settings.no_serve.unwrap_or(false) && !settings.exit_at_end.unwrap_or(false);
        config.pushed_row = RowLimits {
            bytes: limits.size(Limit::Row),
            depth: u32::try_from(limits.get(Limit::Nesting)).unwrap_or(u32::MAX).min(MAX_DEPTH),
        };
        config.data_dir = settings.data_dir.clone();
        config.on_change = match settings.on_change {
            None | Some(OnChange::Refuse) => engine::OnChange::Refuse,
            Some(OnChange::Rebuild) => engine::OnChange::Rebuild,
            Some(OnChange::Fresh) => engine::OnChange::Fresh,
        };
        config.dead_letters_file = settings.dead_letters.clone();
    }))
}

fn address(settings: &Settings, process: usize) -> SocketAddr {
    let port = PORT.saturating_add(u16::try_from(process).unwrap_or(u16::MAX));
    settings.listen.unwrap_or(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
}

async fn bind(address: SocketAddr) -> Result<TcpListener, Outcome> {
    TcpListener::bind(address).await.map_err(|error| match error.kind() {
        std::io::ErrorKind::AddrInUse => {
            Outcome::Failed(format!("{address} is in use: choose another with --listen ADDR, or --no-serve"))
        }
        _ => Outcome::Failed(format!("cannot listen on {address}: {error}; choose another with --listen ADDR")),
    })
}

/// Follows a run that is served to its end.
async fn follow(
    engine: Arc<Engine>,
    serving: Serving,
    settings: &Settings,
    mut signals: Signals,
) -> Result<(), Outcome> {
    let Serving { close, server, teller, .. } = serving;
    let patience = settings.stop_timeout.map_or(STOP_TIMEOUT, |timeout| Duration::from_millis(timeout.0));
    let summary = ended(&engine, &mut signals.end, settings.drain.unwrap_or(false), patience).await;
    progress::wipe();
    let summary = summary.map_err(|error| Outcome::failed(&error, settings))?;
    reasons(&engine);
    report(&summary);
    let (exits_at_end, told) = (settings.exit_at_end.unwrap_or(false), *signals.end.borrow());
    let verdict = match told {
        _ if exits_at_end && summary.input_left => Err(told.map_or(
            Outcome::Failed("another process of the cluster was stopped before the input had ended".to_owned()),
            Outcome::Stopped,
        )),
        _ if summary.stopped => Ok(()),
        _ => judge(&engine, settings.max_rejected).map_err(Outcome::Failed),
    };
    if server.is_some() && !summary.stopped && told.is_none() && !exits_at_end {
        tracing::info!("the views stay served until Ctrl-C");
        let _ = signals.end.changed().await;
    }
    drop(close);
    if let Some(server) = server {
        tokio::select! {
            ended = server => match ended {
                Ok(Err(error)) => return Err(Outcome::Failed(format!("the server failed: {error}"))),
                Err(error) => return Err(Outcome::Failed(format!("the server failed: {error}"))),
                Ok(Ok(())) => {}
            },
            () = tokio::time::sleep(GRACE) => tracing::warn!("some requests did not end in time"),
        }
    }
    if let Some(teller) = teller {
        let _ = tokio::task::spawn_blocking(|| teller.finish()).await;
    }
    verdict
}

/// Waits for the end of the run, however it comes about.
async fn ended(
    engine: &Arc<Engine>,
    end: &mut watch::Receiver<Option<i32>>,
    drain: bool,
    patience: Duration,
) -> Result<Summary, EngineError> {
    let waiting = engine.clone();
    let mut run = tokio::task::spawn_blocking(move || waiting.wait());
    let mut line = Line::for_run(engine);
    let mut late = std::pin::pin!(tokio::time::sleep(patience));
    let mut stopping = false;
    loop {
        tokio::select! {
            result = &mut run => return result.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic())),
            Ok(()) = end.changed() => {
                tracing::info!("stopping{}; again to end at once", if drain { ", closing open windows first" } else { "" });
                stopping = true;
                late.set(tokio::time::sleep(patience));
                // It may wait for whoever is stuck.
                let engine = engine.clone();
                drop(tokio::task::spawn_blocking(move || engine.stop(drain)));
            }
            () = &mut late, if stopping => signals::give_up(&unwritten(engine, patience)),
            () = tokio::time::sleep(progress::EVERY), if line.is_some() => {
                line.iter_mut().for_each(|line| line.draw(&engine.progress()));
            }
        }
    }
}

/// What a run that does not end has not done.
fn unwritten(engine: &Engine, patience: Duration) -> String {
    let sinks = engine.sinks();
    let open = sinks.iter().filter(|sink| sink.state() != "ended").map(|sink| {
        let why = sink.stand().reason.unwrap_or_else(|| "it does not take them".to_owned());
        format!("\n  sink '{}': {} not written: {why}", sink.name(), counted(sink.waiting_epochs() as u64, "epoch"))
    });
    let open: String = open.collect();
    let all = if open.is_empty() { "\n  every sink is written; something else holds the engine" } else { "" };
    format!("the run did not end within {patience:?} (--stop-timeout); results are incomplete{open}{all}")
}

/// Reads files again when they change, or when SIGHUP asks for it.
async fn keep_fresh(mut files: Files, mut reload: watch::Receiver<u32>) {
    loop {
        let asked = tokio::select! {
            asked = reload.changed() => {
                if asked.is_err() {
                    return;
                }
                true
            }
            () = tokio::time::sleep(LOOK_EVERY) => false,
        };
        let work = move || {
            if asked || files.changed() {
                files.reload();
            }
            files
        };
        let Ok(back) = tokio::task::spawn_blocking(work).await else { return };
        files = back;
    }
}

/// Why most rows are dead letters, with an example each.
fn reasons(engine: &Engine) {
    for source in engine.sources() {
        for RejectedFor { rows, example } in source.rejected_for().into_iter().take(REASONS) {
            let Reject { position, reason, detail, content, .. } = example;
            let content = if content.is_empty() { content } else { format!(", in {content}") };
            let rows = counted(rows, "row");
            tracing::warn!(
                "{rows} of source '{}' not taken ({reason}); the first, {position}: {detail}{content}",
                source.name()
            );
        }
    }
    for letters in engine.dead_letters() {
        for FailedFor { rows, example } in letters.reasons().into_iter().take(REASONS) {
            let (rows, owner) = (counted(rows.unsigned_abs(), "row"), letters.owner().word());
            let Letter { position, reason, .. } = &example;
            tracing::warn!("{rows} of {owner} '{}' failed ({reason}) in {position}; one: {example}", letters.name());
        }
    }
}

/// Whether too many rows of a source are dead letters.
fn judge(engine: &Engine, most: Option<Share>) -> Result<(), String> {
    for source in engine.sources() {
        let counts = source.counts();
        let received = counts.received();
        // Of what another process received some may be found here.
        let rejected = counts.rejected().min(received);
        let (too_many, allowed) = match most {
            Some(share) => (share.is_exceeded(rejected, received), "more than --max-rejected allows"),
            None => (rejected > 0 && rejected == received, "all of them; --max-rejected 1 lets that pass"),
        };
        if too_many {
            let are = if rejected == 1 { "is a dead letter" } else { "are dead letters" };
            let (rejected, received) = (grouped(rejected), counted(received, "row"));
            return Err(format!("source '{}': {rejected} of {received} {are}, {allowed}", source.name()));
        }
    }
    Ok(())
}

fn report(summary: &Summary) {
    let rate = summary.rows_received as f64 / summary.seconds.max(0.001);
    let rows = counted(summary.rows_received, "row");
    let lost = match summary.rows_rejected {
        0 => String::new(),
        1 => ", 1 of them a dead letter".to_owned(),
        rejected => format!(", {} of them dead letters", grouped(rejected)),
    };
    let failed = match summary.rows_failed {
        0 => String::new(),
        failed => format!(", {} failed", counted(failed, "row")),
    };
    let how = if summary.stopped { "stopped" } else { "done" };
    let left = if summary.input_left { "; its input was not read to the end" } else { "" };
    tracing::info!(
        "{how}: {rows} in {:.1} s, {} rows/s{lost}{failed}{left}",
        summary.seconds,
        grouped(rate.round() as u64)
    );
}
