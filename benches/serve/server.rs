//! The server under load: the `highwater` binary in a process of its own on an ephemeral port, and what the kernel says of it.
//! Dropping it ends the process.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;

/// How long the server may take to start, to answer, or to show what it took.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A running server.
pub struct Server {
    child: Child,
    pub address: SocketAddr,
    folder: Arc<tempfile::TempDir>,
}

impl Server {
    /// Serves a program, with further flags of `highwater run`.
    pub fn start(program: &str, flags: &[&str]) -> Server {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("program.sql"), program).unwrap();
        Server::start_in(folder.into(), flags)
    }

    /// Serves what an ended one served, in its folder.
    pub fn start_in(folder: Arc<tempfile::TempDir>, flags: &[&str]) -> Server {
        let file = folder.path().join("program.sql");
        let mut command = Command::new(env!("CARGO_BIN_EXE_highwater"));
        command.arg("run").arg(&file).args(["--listen", "127.0.0.1:0"]).args(flags).current_dir(folder.path());
        command.env_remove("RUST_LOG").env("NO_COLOR", "1");
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("HIGHWATER_")) {
            command.env_remove(name);
        }
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let told = |line: &String| line.split("serving http://").nth(1).map(|address| address.trim().parse().unwrap());
        let address = lines.by_ref().inspect(|line| say(line)).find_map(|line| told(&line));
        let Some(address) = address else {
            let _ = child.kill();
            panic!("the server did not start: {:?}", child.wait());
        };
        std::thread::spawn(move || lines.for_each(|line| say(&line)));
        Server { child, address, folder }
    }

    /// The folder that it runs in.
    pub fn folder(&self) -> Arc<tempfile::TempDir> {
        self.folder.clone()
    }

    /// A connection, without delay of small writes.
    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// What a call answers with, as JSON.
    pub fn get(&self, path: &str) -> Value {
        let text = self.text(path);
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}: {text}"))
    }

    /// The body of what a call answers with.
    pub fn text(&self, path: &str) -> String {
        let mut stream = self.connect();
        stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(" 200 "), "{path}: {answer}");
        body.to_owned()
    }

    /// Whether it shows results.
    pub fn ready(&self) -> bool {
        let mut stream = self.connect();
        stream.write_all(b"GET /readyz HTTP/1.0\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).is_ok() && answer.starts_with("HTTP/1.0 200")
    }

    /// Waits until the sum of a column over the rows of a view is `expected`; answers it as it was last.
    pub fn settles(&self, view: &str, column: &str, expected: u64) -> u64 {
        let begun = Instant::now();
        loop {
            let rows = self.get(&format!("/api/v1/views/{view}/rows?limit=100000"));
            let rows = rows["rows"].as_array().unwrap();
            let sum = rows.iter().map(|row| row[column].as_u64().unwrap()).sum();
            if sum == expected || begun.elapsed() > PATIENCE {
                return sum;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Resident memory now and at its peak, in MiB; zeros where there is no `/proc`.
    pub fn memory_mib(&self) -> (f64, f64) {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let of = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok())
                .map_or(0.0, |kib| kib / 1024.0)
        };
        (of("VmRSS:"), of("VmHWM:"))
    }

    /// Seconds of CPU that it has used.
    pub fn cpu_seconds(&self) -> f64 {
        cpu_seconds(&self.child.id().to_string())
    }
}

/// Seconds of CPU that a process has used, in hundredths; 0 where there is no `/proc`.
pub fn cpu_seconds(process: &str) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Passes on what the server complains of.
fn say(line: &str) {
    if ["ERROR", "error", "panicked"].iter().any(|word| line.contains(word)) {
        eprintln!("server: {line}");
    }
}
