//! `highwater run FILE.sql...`: plans a program, runs it, serves it.
//!
//! The first Ctrl-C or SIGTERM stops the run and waits for its end (with `--drain` open windows close first); the second
//! ends the process at once.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{oneshot, watch};

use super::access::access;
use super::progress::{self, Line, grouped};
use super::settings::{FILE, LogFormat, Settings};
use super::{Outcome, logging, program};
use crate::engine::{Config, Engine, EngineError, Summary};
use crate::format::MAX_DEPTH;
use crate::serve::{Access, Limit};
use crate::source::RowLimits;
use crate::{plan, serve};

/// The port of the first process, if none is given.
const PORT: u16 = 8080;

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
    let config = config(&settings).map_err(Outcome::usage)?;
    let compiled = program::read(&args.files)?;
    logging::start(settings.log_format.unwrap_or(LogFormat::Text));
    compiled.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    plan::check(&compiled.dataflow).iter().for_each(|warning| tracing::warn!("{warning}"));

    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(|error| Outcome::Failed(format!("no threads for the server: {error}")))?;
    // Before anything runs: a port that is taken is found out at once.
    let listener = match settings.no_serve.unwrap_or(false) {
        true => None,
        false => {
            let address = address(&settings, config.process);
            let access = access(&settings, address).map_err(Outcome::usage)?;
            Some((runtime.block_on(bind(address))?, access))
        }
    };
    let engine = Engine::start(compiled.dataflow, config).map_err(|error| match error {
        EngineError::Config(reason) => Outcome::usage(reason),
        error => Outcome::Failed(error.to_string()),
    })?;
    let result = runtime.block_on(follow(Arc::new(engine), listener, &settings));
    progress::wipe();
    runtime.shutdown_timeout(GRACE);
    result.map_err(Outcome::Failed)
}

fn config(settings: &Settings) -> Result<Config, String> {
    let defaults = Config::default();
    let processes = settings.processes.unwrap_or(1);
    let limits = settings.limits.clone().unwrap_or_default();
    let addresses = match &settings.hostfile {
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
            Config::hostfile(&text, processes)?
        }
        None => Config::localhost(processes),
    };
    Ok(Config {
        workers: settings.workers.unwrap_or(defaults.workers),
        process: settings.process.unwrap_or(0),
        addresses,
        tick_ms: settings.tick.map_or(defaults.tick_ms, |tick| tick.0),
        tick_rows: settings.tick_rows.map_or(defaults.tick_rows, |rows| usize::try_from(rows).unwrap_or(usize::MAX)),
        views: !settings.no_serve.unwrap_or(false),
        tables_linger: !settings.no_serve.unwrap_or(false) && !settings.exit_at_end.unwrap_or(false),
        pushed_row: RowLimits {
            bytes: limits.size(Limit::Row),
            depth: u32::try_from(limits.get(Limit::Nesting)).unwrap_or(u32::MAX).min(MAX_DEPTH),
        },
        ..defaults
    })
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

/// Follows a run to its end, and serves it meanwhile.
async fn follow(
    engine: Arc<Engine>,
    listener: Option<(TcpListener, Access)>,
    settings: &Settings,
) -> Result<(), String> {
    let mut signals = signals().map_err(|error| format!("signals: {error}"))?;
    let serving = listener.is_some();
    let (close, closed) = oneshot::channel::<()>();
    let server = listener.map(|(listener, access)| {
        if let Ok(address) = listener.local_addr() {
            tracing::info!("serving {}://{address}", if access.tls.is_some() { "https" } else { "http" });
            if access.tokens.is_none() && !address.ip().is_loopback() {
                tracing::warn!("everyone who reaches {address} may see and send everything");
            }
        }
        tracing::debug!("limits: {}", access.limits);
        let stop = async { drop(closed.await) };
        tokio::spawn(serve::serve(listener, engine.clone(), access, stop))
    });

    let summary = ended(&engine, &mut signals, settings.drain.unwrap_or(false)).await;
    progress::wipe();
    let summary = summary.map_err(|error| error.to_string())?;
    report(&summary);
    if serving && !summary.stopped && *signals.borrow() == 0 && !settings.exit_at_end.unwrap_or(false) {
        tracing::info!("the views stay served until Ctrl-C");
        let _ = signals.changed().await;
    }
    drop(close);
    if let Some(server) = server {
        tokio::select! {
            ended = server => match ended {
                Ok(Err(error)) => return Err(format!("the server failed: {error}")),
                Err(error) => return Err(format!("the server failed: {error}")),
                Ok(Ok(())) => {}
            },
            () = tokio::time::sleep(GRACE) => tracing::warn!("some requests did not end in time"),
        }
    }
    Ok(())
}

/// Waits for the end of the run, however it comes about.
async fn ended(engine: &Arc<Engine>, signals: &mut watch::Receiver<u32>, drain: bool) -> Result<Summary, EngineError> {
    let waiting = engine.clone();
    let mut end = tokio::task::spawn_blocking(move || waiting.wait());
    let mut line = Line::for_run(engine);
    loop {
        tokio::select! {
            result = &mut end => return result.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic())),
            Ok(()) = signals.changed() => {
                tracing::info!("stopping{}; again to end at once", if drain { ", closing open windows first" } else { "" });
                engine.stop(drain);
            }
            () = tokio::time::sleep(progress::EVERY), if line.is_some() => {
                line.iter_mut().for_each(|line| line.draw(&engine.progress()));
            }
        }
    }
}

/// Counts Ctrl-C and SIGTERM; the second ends the process.
fn signals() -> std::io::Result<watch::Receiver<u32>> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let (count, counted) = watch::channel(0);
    tokio::spawn(async move {
        for seen in 1.. {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if seen > 1 {
                progress::wipe();
                eprintln!("error: ended at once by a second signal; results may be incomplete");
                std::process::exit(1);
            }
            count.send_replace(seen);
        }
    });
    Ok(counted)
}

fn report(summary: &Summary) {
    let rate = summary.rows_received as f64 / summary.seconds.max(0.001);
    let rows = grouped(summary.rows_received);
    let lost = match summary.rows_rejected {
        0 => String::new(),
        rejected => format!(", {} of them dead letters", grouped(rejected)),
    };
    let how = if summary.stopped { "stopped" } else { "done" };
    tracing::info!("{how}: {rows} rows in {:.1} s, {} rows/s{lost}", summary.seconds, grouped(rate.round() as u64));
}
