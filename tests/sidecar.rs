//! The sidecar of real processes: stopped under load, in a cluster, and called by clients that others wrote.
#![allow(clippy::unwrap_used)]

mod client;
#[path = "sidecar/clients.rs"]
mod clients;
#[path = "sidecar/cluster.rs"]
mod cluster;
#[path = "sidecar/protocol.rs"]
mod protocol;
#[path = "sidecar/siege.rs"]
mod siege;
#[path = "sidecar/signals.rs"]
mod signals;
#[path = "sidecar/stop.rs"]
mod stop;
#[path = "sidecar/strangers.rs"]
mod strangers;
#[path = "sidecar/stuck.rs"]
mod stuck;

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

/// A process with a sidecar; killed when it is done with.
struct Process {
    child: Child,
    address: SocketAddr,
    log: Receiver<String>,
    said: Vec<String>,
}

impl Process {
    /// Runs `p.sql` of a folder; waits until it serves.
    fn start(folder: &Path, args: &[&str]) -> Process {
        Process::spawn(folder, args).serving()
    }

    /// With so many descriptors at most.
    fn limited(folder: &Path, descriptors: u32, args: &[&str]) -> Process {
        let mut command = Command::new("sh");
        command.args(["-c", &format!("ulimit -n {descriptors}; exec \"$0\" \"$@\"")]);
        command.arg(env!("CARGO_BIN_EXE_highwater"));
        Process::of(command, folder, args).serving()
    }

    fn serving(self) -> Process {
        let mut process = self;
        let line = process.hears("serving http://");
        process.address = line.rsplit("http://").next().unwrap().trim().parse().unwrap();
        process
    }

    fn spawn(folder: &Path, args: &[&str]) -> Process {
        Process::of(Command::new(env!("CARGO_BIN_EXE_highwater")), folder, args)
    }

    fn of(mut command: Command, folder: &Path, args: &[&str]) -> Process {
        command.current_dir(folder).args(["run", "p.sql", "--listen", "127.0.0.1:0"]).args(args);
        command.env_remove("RUST_LOG").env("NO_COLOR", "1");
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (line, log) = channel();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || stderr.lines().map_while(Result::ok).try_for_each(|said| line.send(said)));
        Process { child, address: ([127, 0, 0, 1], 0).into(), log, said: Vec::new() }
    }

    /// Waits for a line of the log with this in it.
    fn hears(&mut self, what: &str) -> String {
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

    fn terminate(&self) {
        let sent = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    fn ends(&mut self) -> ExitStatus {
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

    /// Status, head in lower case, body.
    fn ask(&self, method: &str, path: &str, headers: &str, body: &str) -> (u16, String, String) {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let length = body.len();
        let head = format!("{method} {path} HTTP/1.0\r\ncontent-length: {length}\r\n{headers}\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        // It may be refused before it is read.
        let _ = stream.write_all(body.as_bytes());
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        (status, head.to_lowercase(), body.to_owned())
    }

    fn json(&self, path: &str) -> Value {
        let (status, _, body) = self.ask("GET", path, "", "");
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).unwrap()
    }

    /// What an answer says that took a body.
    fn post(&self, path: &str, body: &str) -> Value {
        let (status, _, answer) = self.ask("POST", path, "", body);
        let answer: Value = serde_json::from_str(&answer).unwrap();
        let all_rejected = answer["accepted"] == 0 && answer["rejected"] != 0;
        assert_eq!(status / 100, if all_rejected { 4 } else { 2 }, "{path}: {status} {answer}");
        answer
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A folder with a program.
fn folder(program: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("p.sql"), program).unwrap();
    folder
}

fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < until, "it did not come to this: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
