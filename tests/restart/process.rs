//! A process with a data directory that a test kills and starts again.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::Value;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A process; killed when it is done with.
pub(crate) struct Process {
    pub(crate) child: Child,
    pub(crate) address: SocketAddr,
    log: Receiver<String>,
    pub(crate) said: Vec<String>,
}

impl Process {
    /// Runs `p.sql` of a folder with `data` in it; waits until it serves.
    pub(crate) fn start(folder: &Path, args: &[&str]) -> Process {
        let process = Process::early(folder, args);
        process.is_ready();
        process
    }

    /// The same; it may be doing again what is kept.
    pub(crate) fn early(folder: &Path, args: &[&str]) -> Process {
        let mut process = Process::spawn(folder, args);
        process.serves();
        // Before its directory is open it takes nothing.
        eventually("it has opened its directory, or ended", || {
            let (status, said) = process.ask("GET", "/readyz", "");
            status == 200 || said.contains("recovering") || process.child.try_wait().unwrap().is_some()
        });
        process
    }

    pub(crate) fn is_ready(&self) {
        eventually("it is ready", || self.ask("GET", "/readyz", "").0 == 200);
    }

    pub(crate) fn spawn(folder: &Path, args: &[&str]) -> Process {
        let run = ["run", "p.sql", "--listen", "127.0.0.1:0", "--data-dir", "data"];
        Process::of(highwater(folder).args(run).args(args))
    }

    pub(crate) fn of(command: &mut Command) -> Process {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let (line, log) = channel();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || stderr.lines().map_while(Result::ok).try_for_each(|said| line.send(said)));
        Process { child, address: ([127, 0, 0, 1], 0).into(), log, said: Vec::new() }
    }

    /// Waits until it has said where it serves.
    pub(crate) fn serves(&mut self) {
        let line = self.hears("serving http://");
        self.address = line.rsplit("http://").next().unwrap().trim().parse().unwrap();
    }

    /// Waits for a line of the log with this in it.
    pub(crate) fn hears(&mut self, what: &str) -> String {
        let until = Instant::now() + PATIENCE;
        loop {
            match self.log.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    self.said.push(line.clone());
                    if line.contains(what) {
                        return line;
                    }
                }
                Err(_) => panic!("never said '{what}', but:\n{}", self.said.join("\n")),
            }
        }
    }

    /// The same of a line that may have been said before.
    pub(crate) fn has_said(&mut self, what: &str) {
        if !self.said.iter().any(|line| line.contains(what)) {
            self.hears(what);
        }
    }

    /// SIGKILL.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM, and its end.
    pub(crate) fn stop(mut self) -> ExitStatus {
        let sent = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
        self.ends()
    }

    pub(crate) fn ends(&mut self) -> ExitStatus {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                self.said.extend(self.log.iter());
                return status;
            }
            assert!(Instant::now() < until, "did not end; it said:\n{}", self.said.join("\n"));
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Status and body; 0 if there was no answer.
    pub(crate) fn ask(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        ask(self.address, method, path, body)
    }

    pub(crate) fn json(&self, path: &str) -> Value {
        let (status, body) = self.ask("GET", path, "");
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).unwrap()
    }

    /// What an answer says that took a body.
    pub(crate) fn post(&self, path: &str, body: &str) -> Value {
        let (status, answer) = self.ask("POST", path, body);
        assert!(matches!(status, 202 | 422), "{path}: {status} {answer}");
        serde_json::from_str(&answer).unwrap()
    }

    /// The rows of a view with their versions and statuses, as text, sorted.
    pub(crate) fn rows(&self, view: &str) -> Vec<String> {
        let rows = self.json(&format!("/api/v1/views/{view}/rows?limit=10000"))["rows"].take();
        let mut rows: Vec<String> = rows.as_array().unwrap().iter().map(Value::to_string).collect();
        rows.sort();
        rows
    }

    /// Whether a view shows a row with this in it: what is durable need not be visible yet.
    pub(crate) fn shows(&self, view: &str, what: &str) -> bool {
        self.rows(view).iter().any(|row| row.contains(what))
    }

    pub(crate) fn complete(&self, token: &Value) {
        let path = format!("/api/v1/completion/{}", token.as_str().unwrap());
        eventually("its rows show", || self.json(&path)["complete"] == true);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The binary, in a folder.
pub(crate) fn highwater(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_highwater"));
    command.current_dir(folder).env_remove("RUST_LOG").env("NO_COLOR", "1");
    command
}

/// Status and body; 0 if there was no answer.
pub(crate) fn ask(address: SocketAddr, method: &str, path: &str, body: &str) -> (u16, String) {
    let Ok(mut stream) = TcpStream::connect(address) else { return (0, String::new()) };
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let head = format!("{method} {path} HTTP/1.0\r\ncontent-length: {}\r\n\r\n", body.len());
    let mut answer = String::new();
    let sent = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes()));
    let _ = sent.and_then(|()| stream.read_to_string(&mut answer));
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    (status, body.to_owned())
}

/// A folder with a program.
pub(crate) fn folder(program: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("p.sql"), program).unwrap();
    folder
}

pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < until, "it did not come to this: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
