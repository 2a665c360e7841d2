//! Golden dataflows: every directory of `tests/golden` is a behaviour or an intended refusal, run by the real binary.
//!
//! A directory holds `dataflow.sql`, its inputs, and either `expected/` (what its sinks write, byte for byte) with
//! `plan.txt` (what `explain` says) or `error.txt` (what it writes to stderr as it refuses). `args.txt` has further flags
//! of `run`. Every behaviour is run by one, two and three workers and by two processes, with its input decoded whole and
//! in small pieces, and on differential's operators. `HIGHWATER_BLESS=1` writes what was found; `HIGHWATER_GOLDEN=name` runs one directory.
//! `oracle/*.sql` are the same results by another engine: see `tests/duckdb.rs`.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// How long a run may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// One way to run a dataflow.
#[derive(Clone, Copy, Debug)]
struct Way {
    workers: usize,
    processes: usize,
    /// Decode text inputs so many bytes at a time.
    decode_bytes: Option<usize>,
    /// Run on differential's operators.
    differential: bool,
}

const OWN: Way = Way { workers: 1, processes: 1, decode_bytes: None, differential: false };

const WAYS: &[Way] = &[
    OWN,
    Way { workers: 2, ..OWN },
    Way { workers: 3, decode_bytes: Some(300), ..OWN },
    Way { decode_bytes: Some(1), ..OWN },
    Way { processes: 2, ..OWN },
    Way { workers: 2, processes: 2, decode_bytes: Some(1000), ..OWN },
    Way { differential: true, ..OWN },
    Way { workers: 3, differential: true, ..OWN },
    Way { workers: 2, processes: 2, differential: true, ..OWN },
];

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

fn blessing() -> bool {
    std::env::var_os("HIGHWATER_BLESS").is_some()
}

fn highwater(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_highwater"));
    command.current_dir(folder).env("NO_COLOR", "1").env("RUST_LOG", "off").stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("HIGHWATER_")) {
        command.env_remove(name);
    }
    command
}

/// The files under a folder by relative path.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut open = vec![folder.to_owned()];
    while let Some(next) = open.pop() {
        let Ok(entries) = fs::read_dir(&next) else { continue };
        for path in entries.map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                open.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_string_lossy().replace('\\', "/");
                found.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    found
}

fn wait(child: Child) -> Result<Output, String> {
    let started = Instant::now();
    let mut child = child;
    while child.try_wait().unwrap().is_none() {
        if started.elapsed() > PATIENCE {
            child.kill().unwrap();
            let output = child.wait_with_output().unwrap();
            return Err(format!("did not end within {PATIENCE:?}\n{}", String::from_utf8_lossy(&output.stderr)));
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(child.wait_with_output().unwrap())
}

/// A copy of the directory to run in, so that runs do not see each other's files.
fn workplace(directory: &Path, way: Way) -> tempfile::TempDir {
    let place = tempfile::tempdir().unwrap();
    for (name, bytes) in files(directory) {
        let kept = !["expected/", "oracle/"].iter().any(|folder| name.starts_with(folder));
        if kept {
            let path = place.path().join(&name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
    }
    fs::create_dir_all(place.path().join("out")).unwrap();
    let path = place.path().join("dataflow.sql");
    if way.differential {
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, format!("SET 'operators' = 'differential';\n{text}")).unwrap();
    }
    if let Some(bytes) = way.decode_bytes {
        let text = fs::read_to_string(&path).unwrap();
        let text = ["ndjson", "csv"].iter().fold(text, |text, extension| {
            let found = format!(".{extension}', 'format'");
            let sources: Vec<&str> = text.split(&found).collect();
            let mut out = sources[0].to_owned();
            for (before, after) in sources.iter().zip(&sources[1..]) {
                // Sinks write below `out/`.
                let sink = before.rsplit('\'').next().unwrap().starts_with("out/");
                let option = if sink { String::new() } else { format!("'decode-bytes' = '{bytes}', ") };
                out.push_str(&format!(".{extension}', {option}'format'{after}"));
            }
            out
        });
        fs::write(path, text).unwrap();
    }
    place
}

/// A hostfile with ports that were free a moment ago.
fn hostfile(folder: &Path, processes: usize) {
    let listeners: Vec<TcpListener> = (0..processes).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    let lines = listeners.iter().map(|listener| format!("{}\n", listener.local_addr().unwrap()));
    fs::write(folder.join("hosts.txt"), lines.collect::<String>()).unwrap();
}

/// Runs the dataflow; what each process said, or that one did not end. Ports that somebody has taken meanwhile are drawn anew.
fn run(folder: &Path, way: Way) -> Result<Vec<Output>, String> {
    let taken = |output: &Output| stderr(output).contains("Address already in use");
    let mut outputs = run_once(folder, way)?;
    for _ in 0..5 {
        if !outputs.iter().any(taken) {
            break;
        }
        outputs = run_once(folder, way)?;
    }
    Ok(outputs)
}

fn run_once(folder: &Path, way: Way) -> Result<Vec<Output>, String> {
    let extra = fs::read_to_string(folder.join("args.txt")).unwrap_or_default();
    let start = |process: usize| {
        let mut command = highwater(folder);
        command.args(["run", "dataflow.sql", "--exit-at-end", "--no-serve", "-w", &way.workers.to_string()]);
        command.args(extra.split_whitespace());
        if way.processes > 1 {
            command.args(["-n", &way.processes.to_string(), "-p", &process.to_string(), "--hostfile", "hosts.txt"]);
        }
        command.spawn().unwrap()
    };
    if way.processes > 1 {
        hostfile(folder, way.processes);
    }
    let children: Vec<Child> = (0..way.processes).map(start).collect();
    let ended: Vec<Result<Output, String>> = children.into_iter().map(wait).collect();
    ended.into_iter().collect()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).replace('\r', "")
}

/// Where two files differ first.
fn difference(name: &str, expected: Option<&Vec<u8>>, found: Option<&Vec<u8>>) -> String {
    match (expected, found) {
        (Some(_), None) => format!("{name}: was not written"),
        (None, Some(found)) => format!("{name}: was not expected:\n{}", String::from_utf8_lossy(found)),
        (Some(expected), Some(found)) => {
            let (expected, found) = (String::from_utf8_lossy(expected), String::from_utf8_lossy(found));
            let lines = expected.lines().zip(found.lines()).position(|(expected, found)| expected != found);
            let line = lines.unwrap_or_else(|| expected.lines().count().min(found.lines().count()));
            let of = |text: &str| text.lines().nth(line).unwrap_or("(the end)").to_owned();
            format!("{name}, line {}:\n  expected {}\n  found    {}", line + 1, of(&expected), of(&found))
        }
        (None, None) => String::new(),
    }
}

fn behaviour(directory: &Path) -> Result<(), String> {
    let plan = highwater(directory).args(["explain", "dataflow.sql"]).output().unwrap();
    if !plan.status.success() {
        return Err(format!("explain: {}", stderr(&plan)));
    }
    let mut expected = files(&directory.join("expected"));
    if blessing() {
        fs::write(directory.join("plan.txt"), &plan.stdout).unwrap();
    }
    let known = fs::read(directory.join("plan.txt")).unwrap_or_default();
    if known != plan.stdout {
        return Err(difference("plan.txt", Some(&known), Some(&plan.stdout)));
    }
    for (index, way) in WAYS.iter().enumerate() {
        let place = workplace(directory, *way);
        let outputs = run(place.path(), *way).map_err(|error| format!("{way:?}: {error}"))?;
        for output in &outputs {
            if !output.status.success() {
                return Err(format!("{way:?}: {}: {}", output.status, stderr(output)));
            }
        }
        let found = files(&place.path().join("out"));
        if index == 0 && blessing() {
            let _ = fs::remove_dir_all(directory.join("expected"));
            for (name, bytes) in &found {
                let path = directory.join("expected").join(name);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, bytes).unwrap();
            }
            expected = files(&directory.join("expected"));
        }
        if expected.is_empty() {
            return Err("nothing is expected: run once with HIGHWATER_BLESS=1 and read what it wrote".to_owned());
        }
        let names: std::collections::BTreeSet<&String> = expected.keys().chain(found.keys()).collect();
        for name in names {
            if expected.get(name) != found.get(name) {
                return Err(format!("{way:?}: {}", difference(name, expected.get(name), found.get(name))));
            }
        }
    }
    Ok(())
}

fn refusal(directory: &Path) -> Result<(), String> {
    for way in [WAYS[0], WAYS[1]] {
        let place = workplace(directory, way);
        let outputs = run(place.path(), way)?;
        let found = stderr(&outputs[0]).into_bytes();
        if outputs[0].status.success() || outputs[0].status.code().is_none() {
            return Err(format!("{way:?}: was not refused: {}", outputs[0].status));
        }
        if blessing() {
            fs::write(directory.join("error.txt"), &found).unwrap();
        }
        let expected = fs::read(directory.join("error.txt")).unwrap_or_default();
        if expected != found {
            return Err(format!("{way:?}: {}", difference("error.txt", Some(&expected), Some(&found))));
        }
        if !files(&place.path().join("out")).is_empty() {
            return Err(format!("{way:?}: something was written all the same"));
        }
    }
    Ok(())
}

#[test]
fn every_directory() {
    let only = std::env::var("HIGHWATER_GOLDEN").ok();
    let mut directories: Vec<PathBuf> = fs::read_dir(golden()).unwrap().map(|entry| entry.unwrap().path()).collect();
    directories.retain(|path| only.as_ref().is_none_or(|only| path.ends_with(only)));
    directories.sort();
    assert!(!directories.is_empty(), "no golden of that name");
    let next = AtomicUsize::new(0);
    let failures = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some(directory) = directories.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let name = directory.file_name().unwrap().to_string_lossy();
                    let result = if name.starts_with("refuse_") { refusal(directory) } else { behaviour(directory) };
                    if let Err(error) = result {
                        failures.lock().unwrap().push(format!("{name}: {error}"));
                    }
                }
            });
        }
    });
    let mut failures = failures.into_inner().unwrap();
    failures.sort();
    let (failed, count) = (failures.len(), directories.len());
    assert!(failures.is_empty(), "{failed} of {count} goldens failed\n\n{}\n", failures.join("\n\n"));
}
