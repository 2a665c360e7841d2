//! The command line as a user meets it: the real binary in a folder of its own, real signals, exit codes, what is said and
//! where.
#![allow(clippy::unwrap_used)]

#[path = "cli/behind.rs"]
mod behind;
#[path = "cli/changelog.rs"]
mod changelog;
#[path = "cli/data.rs"]
mod data;
#[path = "cli/dead.rs"]
mod dead;
#[path = "cli/ends.rs"]
mod ends;
#[path = "cli/monitor.rs"]
mod monitor;
#[path = "cli/tested.rs"]
mod tested;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Bounded: three windows of `k`, from a file.
const BOUNDED: &str = "CREATE SOURCE t (k VARCHAR, ts TIMESTAMP(3), WATERMARK FOR ts AS ts)
WITH ('connector' = 'filesystem', 'path' = 'in.ndjson', 'format' = 'json');
CREATE MATERIALIZED VIEW counts AS
SELECT k, window_start, window_end, COUNT(*) AS n
FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY k, window_start, window_end;
CREATE SINK out WITH ('connector' = 'filesystem', 'path' = 'out.ndjson', 'format' = 'json') AS SELECT k, n FROM counts;
";

const INPUT: &str = r#"{"k":"a","ts":"2026-01-01T00:00:01Z"}
{"k":"a","ts":"2026-01-01T00:00:05Z"}
{"k":"b","ts":"2026-01-01T00:00:12Z"}
{"k":"a","ts":"2026-01-01T00:00:31Z"}
"#;

const OUTPUT: &str = "{\"k\":\"a\",\"n\":2}\n{\"k\":\"b\",\"n\":1}\n{\"k\":\"a\",\"n\":1}\n";

/// Endless: windows so long that none closes by itself. `{}` are further options.
const LIVE: &str = "CREATE SOURCE t (k INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '1' SECOND)
WITH ('connector' = 'datagen', 'fields.k.min' = '0', 'fields.k.max' = '3', {});
CREATE MATERIALIZED VIEW counts AS
SELECT k, COUNT(*) AS n, window_start, window_end
FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '3650' DAY)) GROUP BY k, window_start, window_end;
CREATE SINK out WITH ('connector' = 'filesystem', 'path' = 'out.ndjson', 'format' = 'json') AS SELECT k, n FROM counts;
";

fn live() -> String {
    LIVE.replace("{}", "'rows-per-second' = '2000'")
}

fn folder(program: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("p.sql"), program).unwrap();
    fs::write(folder.path().join("in.ndjson"), INPUT).unwrap();
    folder
}

fn command(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_highwater"));
    command.args(args).current_dir(folder).env_remove("RUST_LOG").env_remove("NO_COLOR");
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("HIGHWATER_")) {
        command.env_remove(name);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs to the end: code, stdout, stderr.
fn run(folder: &Path, args: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = command(folder, args).output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

/// A run that goes on, and the lines of its stderr as they come.
struct Running {
    child: Child,
    lines: Receiver<String>,
    said: Vec<String>,
}

impl Running {
    fn start(mut command: Command) -> Running {
        let mut child = command.spawn().unwrap();
        let (line, lines) = channel();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || stderr.lines().map_while(Result::ok).try_for_each(|said| line.send(said)));
        Running { child, lines, said: Vec::new() }
    }

    /// Waits for a line of stderr with this in it.
    fn hears(&mut self, what: &str) -> String {
        let until = Instant::now() + PATIENCE;
        loop {
            match self.lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
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

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([name, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    fn ends(&mut self) -> ExitStatus {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                self.said.extend(self.lines.iter());
                return status;
            }
            assert!(Instant::now() < until, "did not end; it said:\n{}", self.said.join("\n"));
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// Waits until the view `counts` of a run at this address has rows behind it: its source has brought some.
fn until_rows(address: &str) {
    let until = Instant::now() + PATIENCE;
    while !get(address, "/metrics").lines().any(|line| {
        line.strip_prefix("highwater_events_received_total{source=\"t\"} ")
            .is_some_and(|rows| rows.parse::<f64>().unwrap() >= 100.0)
    }) {
        assert!(Instant::now() < until);
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn served_at(run: &mut Running) -> String {
    run.hears("serving http://").rsplit("http://").next().unwrap().trim_end_matches(['"', '}']).to_owned()
}

#[test]
fn a_taken_port_is_told_before_anything_runs() {
    let folder = folder(BOUNDED);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (code, _, err) = run(folder.path(), &["run", "p.sql", "--exit-at-end", "--listen", &address]);
    assert_eq!(code, Some(1));
    assert!(err.contains(&format!("{address} is in use: choose another with --listen ADDR, or --no-serve")), "{err}");
    assert!(!folder.path().join("out.ndjson").exists());
}

#[test]
fn a_sql_error_is_code_2_with_its_place_underlined_and_a_hint() {
    let folder = folder(&BOUNDED.replace("SELECT k, n FROM counts", "SELECT k, m FROM counts"));
    for command in ["run", "check", "explain"] {
        let (code, out, err) = run(folder.path(), &[command, "p.sql"]);
        assert_eq!((code, out.as_str()), (Some(2), ""), "{command}");
        let lines: Vec<&str> = err.lines().collect();
        assert!(lines.iter().any(|line| line.contains("p.sql:6:")), "{err}");
        let text = lines.iter().position(|line| line.contains("SELECT k, m FROM counts")).unwrap();
        let (at, underlined) = (lines[text].rfind(" m ").unwrap() + 1, lines[text + 1].find('^').unwrap());
        assert_eq!(at, underlined, "{err}");
        assert!(err.contains("hint") && err.contains('n') && err.ends_with("1 error\n"), "{err}");
    }
    assert!(!folder.path().join("out.ndjson").exists());
}

#[test]
fn a_mistyped_option_of_a_format_is_answered_with_its_options() {
    for (option, told) in [("csv.delimiter", "did you mean csv.field-delimiter"), ("csv.quote", "csv.quote-character")]
    {
        let folder = folder(
            &BOUNDED
                .replace("'format' = 'json');\nCREATE M", &format!("'format' = 'csv', '{option}' = ';');\nCREATE M")),
        );
        let (code, _, said) = run(folder.path(), &["check", "p.sql"]);
        assert!(code == Some(2) && said.contains(told) && !said.contains("csv.*"), "{said}");
    }
}

#[test]
fn usage_errors_are_code_2_and_name_what_is_wrong() {
    let folder = folder(BOUNDED);
    let refused = |args: &[&str], expected: &str| {
        let (code, out, err) = run(folder.path(), args);
        assert_eq!((code, out.as_str()), (Some(2), ""), "{args:?}");
        assert!(err.contains(expected), "{args:?}: {err}");
    };
    refused(&["run", "p.sql", "--frobnicate"], "--frobnicate");
    refused(&["run"], "FILE");
    refused(&["run", "nowhere.sql"], "nowhere.sql");
    refused(&["run", "p.sql", "--listen", "here"], "--listen");
    refused(&["run", "p.sql", "-n", "2", "-p", "2"], "process");
    refused(&["explain", "p.sql", "sums"], "no published view or sink 'sums'; there are: counts, out");
    fs::write(folder.path().join("highwater.toml"), "lisen = \"127.0.0.1:0\"\n").unwrap();
    refused(&["run", "p.sql"], "highwater.toml");
    refused(&["run", "p.sql"], "lisen");
}

#[test]
fn w8_a_signal_leaves_windows_open_and_drain_closes_them() {
    for (drain, signal) in [(false, "-TERM"), (true, "-TERM"), (true, "-INT")] {
        let folder = folder(&live());
        let mut args = vec!["run", "p.sql", "--listen", "127.0.0.1:0"];
        args.extend(drain.then_some("--drain"));
        let mut run = Running::start(command(folder.path(), &args));
        until_rows(&served_at(&mut run));
        run.signal(signal);
        assert_eq!(run.ends().code(), Some(0), "{:?}", run.said);
        let written = fs::read_to_string(folder.path().join("out.ndjson")).unwrap();
        assert_eq!(written.lines().count(), if drain { 4 } else { 0 }, "drain: {drain}: {written}");
        // Drained, it ended as if the input had.
        let how = if drain { "done: " } else { "stopped: " };
        assert!(run.said.iter().any(|line| line.contains(how)), "{:?}", run.said);
    }
}

#[test]
fn w6_a_silent_source_holds_nothing_back_and_is_late_when_it_comes_back() {
    let program = "CREATE SOURCE busy (k INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts)
        WITH ('connector' = 'datagen', 'rows-per-second' = '500', 'fields.k.min' = '1', 'fields.k.max' = '1');
        CREATE SOURCE t (k INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts)
        WITH ('connector' = 'stdin', 'format' = 'json', 'idle-timeout' = '300 ms', 'lateness' = '30 s');
        CREATE VIEW both AS SELECT k, ts FROM busy UNION ALL SELECT k, ts FROM t;
        CREATE MATERIALIZED VIEW counts AS SELECT k, window_start, window_end, COUNT(*) AS n
        FROM TABLE(TUMBLE(TABLE both, DESCRIPTOR(ts), INTERVAL '1' SECOND)) GROUP BY k, window_start, window_end;";
    let folder = folder(program);
    let mut command = command(folder.path(), &["run", "p.sql", "--listen", "127.0.0.1:0"]);
    command.stdin(Stdio::piped());
    let mut run = Running::start(command);
    let address = served_at(&mut run);
    let mut stdin = run.child.stdin.take().unwrap();
    let until = |what: &str, holds: &dyn Fn() -> bool| {
        let end = Instant::now() + PATIENCE;
        while !holds() {
            assert!(Instant::now() < end, "never: {what}");
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    // Its one row holds the watermark of all until it counts as idle. (On a slow machine it counted as that before, too.)
    let row = |ms: u128| format!("{{\"k\":2,\"ts\":{ms}}}\n");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
    stdin.write_all(row(now).as_bytes()).unwrap();
    stdin.flush().unwrap();
    let rows = || get(&address, "/api/v1/views/counts/rows?limit=1000");
    until("windows close though it is silent", &|| rows().matches("\"_status\":\"final\"").count() >= 3);
    until("the row that it brought in time is there", &|| rows().contains("\"k\":2"));
    stdin.write_all(row(now - 3_600_000).as_bytes()).unwrap();
    stdin.flush().unwrap();
    let letters = || get(&address, "/api/v1/sources/t/dead-letters");
    until("the row behind the others is late", &|| letters().contains("\"reason\":\"late\""));
    run.signal("-TERM");
    assert_eq!(run.ends().code(), Some(0));
}

#[test]
fn a_second_signal_ends_at_once() {
    let folder = folder(&live());
    let mut run = Running::start(command(folder.path(), &["run", "p.sql", "--listen", "127.0.0.1:0"]));
    let address = served_at(&mut run);
    until_rows(&address);
    // A request that does not end keeps the server waiting for a while.
    let mut slow = TcpStream::connect(&address).unwrap();
    slow.write_all(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n").unwrap();
    std::thread::sleep(Duration::from_millis(200));
    // As `timeout` does: the process and its group, so twice.
    let id = run.child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id, &id]).status().unwrap().success());
    run.hears("stopped: ");
    std::thread::sleep(Duration::from_millis(300));
    let before = Instant::now();
    run.signal("-TERM");
    let status = run.ends();
    assert!(before.elapsed() < Duration::from_secs(2), "{:?}", before.elapsed());
    assert_eq!(status.code(), Some(1), "{:?}", run.said);
    assert!(run.said.iter().any(|line| line.contains("ended at once by a second signal")), "{:?}", run.said);
}

#[test]
fn flags_win_over_the_environment_and_that_over_the_file() {
    let folder = folder(BOUNDED);
    fs::write(folder.path().join("highwater.toml"), "listen = \"127.0.0.2:0\"\nexit-at-end = true\n").unwrap();
    for (environment, flag, host) in [
        (None, None, "127.0.0.2:"),
        (Some("127.0.0.3:0"), None, "127.0.0.3:"),
        (Some("127.0.0.3:0"), Some("127.0.0.4:0"), "127.0.0.4:"),
    ] {
        let mut args = vec!["run", "p.sql"];
        args.extend(flag.into_iter().flat_map(|flag| ["--listen", flag]));
        let mut command = command(folder.path(), &args);
        command.envs(environment.map(|address| ("HIGHWATER_LISTEN", address)));
        let mut run = Running::start(command);
        let address = served_at(&mut run);
        assert!(address.starts_with(host), "{address}");
        assert_eq!(run.ends().code(), Some(0), "exit-at-end of the file holds all the same");
    }
    // What the file says can be taken back.
    fs::write(folder.path().join("highwater.toml"), "no-serve = true\n").unwrap();
    let mut run =
        Running::start(command(folder.path(), &["run", "p.sql", "--no-serve=false", "--listen", "127.0.0.1:0"]));
    served_at(&mut run);
}

#[test]
fn log_lines_are_text_or_json_as_asked_and_as_many_as_asked() {
    let folder = folder(BOUNDED);
    let args = ["run", "p.sql", "--exit-at-end", "--no-serve", "--log-format", "json"];
    let (code, _, err) = run(folder.path(), &args);
    assert_eq!(code, Some(0));
    let lines: Vec<serde_json::Value> = err.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.iter().any(|line| line["message"].as_str().unwrap().starts_with("done: 4 rows")), "{err}");
    assert!(lines.iter().all(|line| line["level"].is_string() && line["timestamp"].is_string()), "{err}");
    let quiet = command(folder.path(), &args).env("RUST_LOG", "error").output().unwrap();
    assert_eq!(quiet.stderr, b"");
}

#[test]
fn colours_are_for_terminals_without_no_color() {
    let folder = folder(BOUNDED);
    // `script` of util-linux gives the command a terminal.
    let on_terminal = |no_color: Option<&str>| {
        let line = format!("{} run p.sql --exit-at-end --no-serve", env!("CARGO_BIN_EXE_highwater"));
        let mut script = Command::new("script");
        script.args(["-qec", &line, "/dev/null"]).current_dir(folder.path()).stdin(Stdio::null());
        script.env("TERM", "xterm").env_remove("RUST_LOG").env_remove("NO_COLOR");
        script.envs(no_color.map(|value| ("NO_COLOR", value)));
        script.output().map(|output| String::from_utf8(output.stdout).unwrap())
    };
    let coloured = |text: &str| text.contains("\x1b[32m") || text.contains("\x1b[2m");
    match on_terminal(None) {
        Ok(text) => {
            assert!(text.contains("done: ") && coloured(&text), "{text:?}");
            let plain = on_terminal(Some("1")).unwrap();
            assert!(plain.contains("done: ") && !coloured(&plain), "{plain:?}");
        }
        Err(error) => eprintln!("no terminal to try: script: {error}"),
    }
    let (_, _, piped) = run(folder.path(), &["run", "p.sql", "--exit-at-end", "--no-serve"]);
    assert!(!piped.contains('\x1b'), "{piped:?}");
}

#[test]
fn check_and_explain_say_what_there_is_and_run_nothing() {
    let folder = folder(BOUNDED);
    let (code, out, err) = run(folder.path(), &["check", "p.sql"]);
    assert_eq!((code, out.as_str(), err.as_str()), (Some(0), "ok: 1 source, 1 published view, 1 sink\n", ""));
    fs::remove_file(folder.path().join("in.ndjson")).unwrap();
    let (code, all, err) = run(folder.path(), &["explain", "p.sql"]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    let (_, one, _) = run(folder.path(), &["explain", "p.sql", "COUNTS"]);
    assert!(one.starts_with("view counts (") && !one.contains("sink"), "{one}");
    assert!(all.contains(one.lines().next().unwrap()) && all.contains("sink (filesystem) out ("), "{all}");
    for fact in
        ["append-only", "state: open windows, freed at window_end", "watermark 0 ms behind", "every new ts >= W"]
    {
        assert!(one.contains(fact), "no '{fact}' in\n{one}");
    }
    assert!(!folder.path().join("out.ndjson").exists());

    // State without bound is told, not guessed away.
    fs::write(
        folder.path().join("p.sql"),
        BOUNDED.replace("counts AS", "counts AS SELECT k, COUNT(*) AS n FROM t GROUP BY k; CREATE VIEW other AS"),
    )
    .unwrap();
    let (code, _, err) = run(folder.path(), &["check", "p.sql"]);
    assert_eq!(code, Some(0));
    assert!(err.contains("warning: view counts: its state by k grows with the keys, never freed; "), "{err}");
}

#[test]
fn completions_are_there_for_every_shell() {
    let folder = tempfile::tempdir().unwrap();
    for (shell, mark) in [("bash", "complete -F"), ("zsh", "#compdef highwater"), ("fish", "complete -c highwater")] {
        let (code, out, err) = run(folder.path(), &["completions", shell]);
        assert_eq!((code, err.as_str()), (Some(0), ""));
        assert!(out.contains(mark) && out.contains("exit-at-end"), "{shell}: {out}");
    }
    assert_eq!(run(folder.path(), &["completions", "tcl"]).0, Some(2));
    let (code, version, _) = run(folder.path(), &["--version"]);
    assert_eq!((code, version), (Some(0), format!("highwater {}\n", env!("CARGO_PKG_VERSION"))));
    let (code, help, _) = run(folder.path(), &["help"]);
    assert_eq!(code, Some(0));
    for command in ["run", "check", "explain", "tail", "data", "options", "completions"] {
        assert!(help.contains(&format!("\n  {command} ")), "{help}");
    }
}

#[test]
fn options_are_listed() {
    let folder = tempfile::tempdir().unwrap();
    let (_, help, _) = run(folder.path(), &["--help"]);
    let (code, csv, _) = run(folder.path(), &["options", "csv"]);
    assert_eq!(code, Some(0));
    for name in highwater_core::format::FORMATS.iter().filter(|format| format.name() == "csv").flat_map(|f| f.options())
    {
        assert!(
            help.contains(name.name) && csv.contains(&format!("\n  {:27}  {}\n", name.name, name.help)),
            "{help}{csv}"
        );
    }
    assert!(csv.starts_with("Format csv: ") && csv.contains("\n  date.format ") && !csv.contains("grok"), "{csv}");
    let (_, all, _) = run(folder.path(), &["options"]);
    let (_, files, _) = run(folder.path(), &["options", "filesystem"]);
    assert!(
        all.contains("\nFormat csv: ")
            && files.contains("Source filesystem: ")
            && files.contains("\nSink filesystem: "),
        "{files}"
    );
    let (_, named, _) = run(folder.path(), &["options", "separator"]);
    assert_eq!(named.matches("\n  ").count(), 2, "{named}");
    let (code, _, err) = run(folder.path(), &["options", "quux"]);
    assert!(code == Some(2) && err.contains("there are: arrow, ") && err.contains("csv, "), "{err}");
}

#[test]
fn a_run_says_why_rows_are_dead_letters() {
    let program = format!("{BOUNDED}CREATE MATERIALIZED VIEW q AS SELECT 10 / (CAST(k AS BIGINT) - 7) AS x FROM t;");
    let folder = folder(&program);
    let run = |args: &[&str]| {
        run(folder.path(), &[&["run", "p.sql", "--exit-at-end", "--listen", "127.0.0.1:0"], args].concat())
    };
    let good = r#"{"k":"7","ts":"2026-01-01T00:00:01Z"}"#;
    fs::write(
        folder.path().join("in.ndjson"),
        format!("{good}\n{{\"k\":\"8\",\"ts\":\"2026-01-01T00:00:02Z\"}}\nno row\n"),
    )
    .unwrap();
    let (code, _, err) = run(&["--dead-letters", "dead.ndjson"]);
    assert_eq!(code, Some(0), "{err}");
    assert!(err.contains("1 row of source 't' not taken") && err.contains("no row"), "{err}");
    assert!(err.contains("1 row of view 'q' failed (evaluation)") && err.contains("division by zero"), "{err}");
    assert!(err.contains("1 of them a dead letter, 1 row failed"), "{err}");
    let lines = fs::read_to_string(folder.path().join("dead.ndjson")).unwrap();
    let lines: Vec<serde_json::Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines.iter().any(|line| line["source"] == "t" && line["content"] == "no row"), "{lines:?}");
    let of_view = lines.iter().find(|line| line["view"] == "q").unwrap();
    assert!(of_view["expression"].as_str().unwrap().starts_with("10 / "), "{of_view}");
    assert_eq!((&of_view["count"], &of_view["reason"]), (&1.into(), &"evaluation".into()));
    assert!(of_view["epoch"].as_str().unwrap().parse::<highwater::time::Epoch>().is_ok(), "{of_view}");
    // A third of the rows.
    for (most, expected) in [("0.3", 1), ("30%", 1), ("34%", 0), ("1", 0)] {
        let (code, _, err) = run(&["--max-rejected", most]);
        assert_eq!(code, Some(expected), "{most}: {err}");
        assert_eq!(err.contains("source 't': 1 of 3 rows is a dead letter"), expected == 1, "{err}");
    }
    // All of them.
    fs::write(folder.path().join("in.ndjson"), "no row\n[]\n").unwrap();
    assert_eq!(run(&[]).0, Some(1));
    assert_eq!(run(&["--max-rejected", "1"]).0, Some(0));
    assert_eq!(run(&["--max-rejected", "2"]).0, Some(2));
}

#[test]
fn check_warns_of_input_that_is_not_there() {
    let folder = folder(BOUNDED);
    let (code, _, err) = run(folder.path(), &["check", "p.sql"]);
    assert!(code == Some(0) && !err.contains("cannot be read"), "{err}");
    fs::remove_file(folder.path().join("in.ndjson")).unwrap();
    let (code, out, err) = run(folder.path(), &["check", "p.sql"]);
    assert!(code == Some(0) && out.starts_with("ok:"), "{out}{err}");
    assert!(err.contains("warning: source 't' cannot be read now: in.ndjson"), "{err}");
}
