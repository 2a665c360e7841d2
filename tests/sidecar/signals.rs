//! Signals, files that change, outputs that nobody takes, peers that do not come: what an operator does to a process, by hand
//! or by a supervisor.

use super::*;

const FAST: &str = "
CREATE SOURCE t (k INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH ('connector' = 'datagen', 'rows-per-second' = '20000');
";

impl Process {
    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    fn sink(&self) -> Value {
        self.json("/api/v1/health")["sinks"][0].clone()
    }
}

#[test]
fn a_full_disk_is_waited_for_and_what_is_not_written_is_told() {
    let full =
        "CREATE SINK out WITH ('connector' = 'filesystem', 'path' = '/dev/full', 'format' = 'json') AS SELECT * FROM t;
                CREATE MATERIALIZED VIEW n AS SELECT COUNT(*) AS n FROM t;";
    let folder = folder(&format!("{FAST}{full}"));
    let mut process = Process::start(folder.path(), &["--stop-timeout", "1s"]);
    eventually("it says so", || process.sink()["state"] == "retrying");
    let sink = process.sink();
    assert!(sink["reason"].as_str().unwrap().contains("No space left"), "{sink}");
    assert_eq!(process.json("/api/v1/health")["status"], "degraded");
    // No worker waits for it: everything else goes on, and rows do not pile up.
    eventually("it is far behind", || process.sink()["waiting"].as_u64() > Some(60));
    assert_eq!(process.ask("GET", "/livez", "", "").0, 200);
    assert!(process.json("/api/v1/views/n/rows")["rows"][0]["n"].as_u64() > Some(0));
    let (_, _, metrics) = process.ask("GET", "/metrics", "", "");
    assert!(metrics.contains("highwater_sink_state{sink=\"out\",state=\"retrying\"} 1"), "{metrics}");
    std::thread::sleep(Duration::from_millis(500));
    assert!(process.sink()["waiting"].as_u64() < Some(2_000), "{}", process.sink());
    let begun = Instant::now();
    process.terminate();
    assert_eq!(process.ends().code(), Some(1), "{:?}", process.said);
    assert!(begun.elapsed() < Duration::from_secs(10), "it took {:?}", begun.elapsed());
    let told = process.said.join("\n");
    assert!(told.contains("--stop-timeout") && told.contains("sink 'out'") && told.contains("No space left"), "{told}");
}

/// The input has ended, and the disk has been full ever since: that is waited for, but not by whoever tells it to end.
#[test]
fn a_full_disk_at_the_end_of_the_input_is_waited_for_until_it_is_told_to_end() {
    let program = "CREATE SOURCE t (k INT) WITH ('connector' = 'datagen', 'number-of-rows' = '1000');
        CREATE SINK out WITH ('connector' = 'filesystem', 'path' = '/dev/full', 'format' = 'parquet') AS SELECT * FROM t;";
    for args in [&["--exit-at-end"][..], &[]] {
        let folder = folder(program);
        let mut process = Process::start(folder.path(), &[&["--stop-timeout", "1s"], args].concat());
        eventually("it says so", || process.sink()["state"] == "retrying");
        let begun = Instant::now();
        process.terminate();
        assert_eq!(process.ends().code(), Some(1), "{:?}", process.said);
        assert!(begun.elapsed() < Duration::from_secs(10), "it took {:?}", begun.elapsed());
        let told = process.said.join("\n");
        assert!(told.contains("--stop-timeout") && told.contains("No space left"), "{told}");
    }
}

#[test]
fn an_output_that_nobody_reads_does_not_keep_it_from_ending() {
    let folder = folder(&format!("{FAST}CREATE SINK out WITH ('connector' = 'print') AS SELECT * FROM t;"));
    let mut process = Process::start(folder.path(), &["--stop-timeout", "1s"]);
    eventually("it is stuck", || process.sink()["waiting"].as_u64() > Some(60));
    let begun = Instant::now();
    process.terminate();
    assert_eq!(process.ends().code(), Some(1), "{:?}", process.said);
    assert!(begun.elapsed() < Duration::from_secs(10), "it took {:?}", begun.elapsed());
    assert!(process.said.iter().any(|line| line.contains("sink 'out'")), "{:?}", process.said);
}

#[test]
fn signals_that_do_not_end_it_do_not_end_it_and_tokens_are_read_anew() {
    let pushed = "CREATE SOURCE u (k INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH ('connector' = 'http');
                  CREATE MATERIALIZED VIEW m AS SELECT k FROM u;";
    let folder = folder(&format!("{FAST}CREATE MATERIALIZED VIEW n AS SELECT COUNT(*) AS n FROM t;{pushed}"));
    let tokens = folder.path().join("tokens");
    fs::write(&tokens, "first read,ingest first-first-first-1").unwrap();
    let mut process = Process::start(folder.path(), &["--tokens", "tokens"]);
    let ask = |process: &Process, token: &str| {
        process.ask("GET", "/api/v1/views", &format!("authorization: Bearer {token}\r\n"), "").0
    };
    for name in ["USR1", "USR2", "HUP", "USR1", "HUP"] {
        process.signal(name);
    }
    assert_eq!(ask(&process, "first-first-first-1"), 200);
    // Streams and sockets that are open last as long as their token; that of the other goes on.
    fs::write(&tokens, "first read,ingest first-first-first-1\nstays read stays-stays-stays-1").unwrap();
    process.signal("HUP");
    eventually("both open", || ask(&process, "stays-stays-stays-1") == 200);
    let stream = |token: &str| {
        let path = "GET /api/v1/views/n/stream?every=100ms";
        let mut stream = process.open(&format!("{path}&access_token={token} HTTP/1.0\r\n\r\n"));
        let mut head = [0; 12];
        stream.read_exact(&mut head).unwrap();
        assert!(head.ends_with(b" 200"));
        stream
    };
    let mut ends = stream("first-first-first-1");
    let mut goes_on = stream("stays-stays-stays-1");
    let mut sockets = ["/api/v1/views/n/ws", "/ws/ingest?source=u"].map(|path| {
        let header = "authorization: Bearer first-first-first-1\r\n";
        super::client::Socket::open_at(process.address, path, header).unwrap()
    });
    fs::write(&tokens, "second read second-second-second-2\nstays read stays-stays-stays-1").unwrap();
    process.signal("HUP");
    eventually("the new one opens", || ask(&process, "second-second-second-2") == 200);
    std::io::copy(&mut ends, &mut std::io::sink()).unwrap();
    for socket in &mut sockets {
        let closed = loop {
            match socket.frame() {
                Some((8, closed)) => break closed,
                Some(_) => {}
                None => panic!("no Close"),
            }
        };
        assert!(closed.starts_with(&1008_u16.to_be_bytes()), "{}", String::from_utf8_lossy(&closed));
    }
    let mut block = [0; 4096];
    for _ in 0..20 {
        assert!(goes_on.read(&mut block).unwrap() > 0);
    }
    assert_eq!(ask(&process, "first-first-first-1"), 401);
    // A file that is wrong changes nothing.
    fs::write(&tokens, "third read short").unwrap();
    process.signal("HUP");
    process.hears("the tokens stay as they were");
    assert_eq!(ask(&process, "second-second-second-2"), 200);
    // Nor need anybody say that it changed.
    fs::write(&tokens, "third read third-third-third-3").unwrap();
    eventually("the third opens", || ask(&process, "third-third-third-3") == 200);
    process.terminate();
    assert_eq!(process.ends().code(), Some(0), "{:?}", process.said);
}

#[test]
fn who_waits_for_peers_says_so() {
    let folder = folder(&format!("{FAST}CREATE MATERIALIZED VIEW n AS SELECT COUNT(*) AS n FROM t;"));
    let free = || std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (first, second) = (free(), free());
    fs::write(folder.path().join("hosts"), format!("{first}\n{second}\n")).unwrap();
    let args = |process: &'static str| ["-n", "2", "-p", process, "-w", "1", "--hostfile", "hosts"];
    let mut process = Process::start(folder.path(), &args("0"));
    process.hears("waits for process 1");
    let (status, _, why) = process.ask("GET", "/readyz", "", "");
    assert!(status == 503 && why.contains(&format!("waits for process 1 ({second})")), "{status} {why}");
    assert_eq!(process.ask("GET", "/livez", "", "").0, 200);
    let (status, head, why) = process.ask("GET", "/api/v1/views", "", "");
    assert!(
        status == 503 && head.contains("application/problem+json") && why.contains("waits for process 1"),
        "{head}{why}"
    );
    // A browser is shown a page, and what that needs.
    let (status, head, page) = process.ask("GET", "/", "", "");
    assert!(status == 503 && head.contains("text/html") && page.contains(&format!("waits for process 1 ({second})")));
    for name in page.split("\"/assets/").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert_eq!(process.ask("GET", &format!("/assets/{name}"), "", "").0, 200, "{name}");
    }
    assert_eq!(process.ask("GET", "/assets/nothing.js", "", "").0, 503);
    // Nobody who says nothing, or something else, keeps the peer waiting.
    let strangers: Vec<TcpStream> = (0..9).map(|_| TcpStream::connect(first).unwrap()).collect();
    (&strangers[8]).write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    let begun = Instant::now();
    let mut peer = Process::start(folder.path(), &args("1"));
    eventually("it is ready", || process.ask("GET", "/readyz", "", "").0 == 200);
    assert!(begun.elapsed() < Duration::from_secs(15), "they met after {:?}", begun.elapsed());
    drop(strangers);
    assert_eq!(process.json("/api/v1/health")["processes"][1]["state"], "connected");
    process.terminate();
    assert_eq!((process.ends().code(), peer.ends().code()), (Some(0), Some(0)), "{:?}", process.said);

    // Who is told to end meanwhile ends as a run that is stopped.
    for (more, code) in [(&[][..], 0), (&["--exit-at-end"], 143)] {
        let mut alone = Process::start(folder.path(), &[&args("0")[..], more].concat());
        alone.hears("waits for process 1");
        alone.terminate();
        alone.hears("stopped before the engine had started: it waits for process 1");
        assert_eq!(alone.ends().code(), Some(code), "{:?}", alone.said);
    }
}

#[test]
fn numbers_out_of_range_are_refused() {
    let folder = folder(FAST);
    for (args, why) in [
        (&["-n", "0"][..], "--processes 0"),
        (&["-w", "0"], "--workers 0"),
        (&["-w", "100000"], "--workers 100000"),
        (&["-n", "2", "-p", "2"], "no process 2 among 2 processes, which are counted from 0: write -p 0 to -p 1"),
        (&["-n", "1", "-p", "1"], "no process 1 among 1 process, which are counted from 0: write -p 0, or how many"),
        (&["--tick", "0ms"], "1 ms"),
        (&["--tick-rows", "0"], "tick-rows"),
        (&["--stop-timeout", "0s"], "1 ms"),
        (&["--limits", "nesting=1000"], "at most 128"),
        (&["--limits", "idle=1000 days"], "at most"),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_highwater"));
        let output =
            command.current_dir(folder.path()).args(["run", "p.sql", "--no-serve"]).args(args).output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(2) && told.contains(why), "{args:?}: {told}");
    }
}

/// What openssl says of the certificate that a new connection is shown.
fn shown(process: &Process) -> String {
    let address = process.address.to_string();
    let mut client = Command::new("openssl");
    client.args(["s_client", "-connect", &address, "-alpn", "h2,http/1.1"]).stdin(Stdio::null());
    String::from_utf8_lossy(&client.output().unwrap().stdout).into_owned()
}

/// A certificate that changes on the disk, first with SIGHUP and then without: new connections are shown the new one, an old
/// one goes on. A key that does not go with it changes nothing.
#[test]
fn certificates_are_read_anew_and_connections_go_on() {
    if !clients::has("openssl", &["version"]) {
        return;
    }
    let folder = folder(&format!("{FAST}CREATE MATERIALIZED VIEW n AS SELECT COUNT(*) AS n FROM t;"));
    let pair = |name: &str, key: &str, cert: &str| {
        let mut openssl = Command::new("openssl");
        openssl.args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "2",
        ]);
        openssl.args(["-subj", &format!("/CN={name}"), "-keyout", key, "-out", cert]).current_dir(folder.path());
        let made = openssl.output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    };
    pair("first.test", "key.pem", "cert.pem");
    let mut process = Process::spawn(folder.path(), &["--tls-cert", "cert.pem", "--tls-key", "key.pem"]);
    let line = process.hears("serving https://");
    process.address = line.rsplit("https://").next().unwrap().trim().parse().unwrap();
    let said = shown(&process);
    assert!(said.contains("CN = first.test") && said.contains("ALPN protocol: http/1.1"), "{said}");
    // One that stays.
    let mut old = Command::new("openssl")
        .args(["s_client", "-quiet", "-connect", &process.address.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut heard = BufReader::new(old.stdout.take().unwrap());
    let mut ask = || {
        old.stdin.as_mut().unwrap().write_all(b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
        let mut line = String::new();
        while line != "ok\n" {
            line.clear();
            assert!(heard.read_line(&mut line).unwrap() > 0, "the old connection ended");
        }
    };
    ask();
    pair("second.test", "key.pem", "cert.pem");
    process.signal("HUP");
    eventually("the second is shown", || shown(&process).contains("CN = second.test"));
    ask();
    fs::write(folder.path().join("key.pem"), "no key").unwrap();
    process.signal("HUP");
    process.hears("the certificate stays as it was");
    assert!(shown(&process).contains("CN = second.test"));
    // A change is noticed by itself; in between the two files do not go together.
    pair("third.test", "new-key.pem", "new-cert.pem");
    for name in ["key.pem", "cert.pem"] {
        fs::rename(folder.path().join(format!("new-{name}")), folder.path().join(name)).unwrap();
        std::thread::sleep(Duration::from_millis(300));
    }
    eventually("the third is shown", || shown(&process).contains("CN = third.test"));
    ask();
    let _ = old.kill();
    let _ = old.wait();
    process.terminate();
    assert_eq!(process.ends().code(), Some(0), "{:?}", process.said);
}
