//! How a run ends: by its input, by a signal, by a failure; and what it then leaves.

use super::*;

#[test]
fn exit_at_end_ends_with_code_0_and_the_results_are_written() {
    let folder = folder(BOUNDED);
    for flags in [&["--no-serve"][..], &["--listen", "127.0.0.1:0"]] {
        let (code, out, err) = run(folder.path(), &[&["run", "p.sql", "--exit-at-end"], flags].concat());
        assert_eq!((code, out.as_str()), (Some(0), ""), "{err}");
        assert_eq!(fs::read_to_string(folder.path().join("out.ndjson")).unwrap(), OUTPUT);
        assert!(err.contains("done: 4 rows") && err.contains("serving http://") == (flags.len() == 2), "{err}");
    }
}

#[test]
fn without_exit_at_end_the_views_stay_served_after_the_input_has_ended() {
    let folder = folder(BOUNDED);
    let mut run = Running::start(command(folder.path(), &["run", "p.sql", "--listen", "127.0.0.1:0"]));
    let address = served_at(&mut run);
    run.hears("the views stay served until Ctrl-C");
    let rows = get(&address, "/api/v1/views/counts/rows");
    assert_eq!(rows.matches("\"_status\":\"final\"").count(), 3, "{rows}");
    run.signal("-INT");
    assert_eq!(run.ends().code(), Some(0));
}

#[test]
fn who_follows_a_view_to_its_end_ends_with_code_0() {
    let folder = folder(BOUNDED);
    let mut serving = Running::start(command(folder.path(), &["run", "p.sql", "--listen", "127.0.0.1:0"]));
    let url = format!("http://{}", served_at(&mut serving));
    let (code, out, err) = run(folder.path(), &["tail", &url, "counts"]);
    assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");
    assert_eq!(out.lines().filter(|line| line.starts_with("{\"_op\":\"insert\"")).count(), 3, "{out}");
    serving.signal("-INT");
    assert_eq!(serving.ends().code(), Some(0));
    // Nobody is there any more, which is no end of the view.
    let (code, _, err) = run(folder.path(), &["tail", &url, "counts"]);
    assert_eq!(code, Some(1), "{err}");
}

#[test]
fn a_bounded_run_can_be_stopped_in_the_middle() {
    let folder = folder(&LIVE.replace("{}", "'number-of-rows' = '100000000000'"));
    let mut run = Running::start(command(folder.path(), &["run", "p.sql", "--listen", "127.0.0.1:0", "--exit-at-end"]));
    until_rows(&served_at(&mut run));
    run.signal("-TERM");
    assert_eq!(run.ends().code(), Some(143), "{:?}", run.said);
    assert_eq!(fs::read_to_string(folder.path().join("out.ndjson")).unwrap(), "");
    let said = |what: &str| run.said.iter().any(|line| line.contains("stopped: ") && line.contains(what));
    assert!(said("its input was not read to the end"), "{:?}", run.said);
}

/// Whoever waits for a run to end with its input learns that it did not, however it was told to end; of a run that serves until it is
/// told to end, and of input that has no end, that is the end that was asked for.
#[test]
fn a_run_that_was_to_end_with_its_input_and_did_not_says_so_by_its_code() {
    let live = live();
    let bounded = LIVE.replace("{}", "'number-of-rows' = '100000000000'");
    let cases: [(&str, &[&str], &str, i32); 5] = [
        (&bounded, &["--exit-at-end"], "-INT", 130),
        (&bounded, &["--exit-at-end", "--drain"], "-TERM", 143),
        (&bounded, &[], "-TERM", 0),
        (&live, &["--exit-at-end"], "-TERM", 0),
        (&live, &["--exit-at-end", "--drain"], "-INT", 0),
    ];
    for (program, args, signal, code) in cases {
        let folder = folder(program);
        let args = [&["run", "p.sql", "--listen", "127.0.0.1:0"], args].concat();
        let mut run = Running::start(command(folder.path(), &args));
        until_rows(&served_at(&mut run));
        run.signal(signal);
        assert_eq!(run.ends().code(), Some(code), "{args:?} {signal}: {:?}", run.said);
        let left = run.said.iter().any(|line| line.contains("its input was not read to the end"));
        assert_eq!(left, program == bounded, "{:?}", run.said);
    }
}

/// A run that fails before its first epoch takes nothing away, one that fails later or ends well replaces all.
#[test]
fn what_a_run_left_stays_until_the_next_has_come_to_something() {
    let program = "CREATE SOURCE t (k VARCHAR NOT NULL, n INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts)
        WITH ('connector' = 'filesystem', 'path' = 'in.csv');
        CREATE SINK a WITH ('connector' = 'filesystem', 'path' = 'a.ndjson') AS SELECT * FROM t WHERE n > 0;
        CREATE SINK b WITH ('connector' = 'filesystem', 'path' = 'b.parquet') AS SELECT * FROM t WHERE n > 0;
        CREATE SINK c WITH ('connector' = 'filesystem', 'path' = 'c/', 'format' = 'csv') AS SELECT * FROM t WHERE n > 0;
        CREATE SINK d PARTITIONED BY (k) WITH ('connector' = 'filesystem', 'path' = 'd/', 'format' = 'arrow')
        AS SELECT k, n FROM t WHERE n > 0;";
    let folder = folder(program);
    let path = folder.path();
    let there = || {
        let mut found = std::collections::BTreeMap::new();
        let mut open: Vec<_> = ["a.ndjson", "b.parquet", "c", "d"].iter().map(|name| path.join(name)).collect();
        while let Some(next) = open.pop() {
            match next.is_dir() {
                true => open.extend(fs::read_dir(&next).unwrap().map(|entry| entry.unwrap().path())),
                false => drop(found.insert(next.clone(), fs::read(&next).unwrap_or_default())),
            }
        }
        found
    };
    let again = |input: &str, args: &[&str]| {
        fs::write(path.join("in.csv"), input).unwrap();
        let (code, _, said) = run(path, &[&["run", "p.sql", "--no-serve", "--exit-at-end"], args].concat());
        (code, said)
    };
    let good = "k,n,ts\na,1,2026-01-01 00:00:00\nb,2,2026-01-01 00:00:01\n";
    assert_eq!(again(good, &["-w", "3"]).0, Some(0));
    let first = there();
    assert_eq!(first.len(), 7, "{:?}", first.keys());
    for letters in [&[][..], &["--dead-letters", "dead.ndjson"]] {
        fs::write(path.join("dead.ndjson"), "old\n").unwrap();
        // The header lacks a column that may not be NULL.
        let (code, said) = again("n,ts\n1,2026-01-01 00:00:00\n", &[&["-w", "1"], letters].concat());
        assert!(code == Some(1) && said.contains("'k'"), "{code:?} {said}");
        assert_eq!(there(), first, "it failed before its first row");
        assert_eq!(fs::read_to_string(path.join("dead.ndjson")).unwrap(), "old\n");
    }
    // No such input; it ends before it starts.
    fs::remove_file(path.join("in.csv")).unwrap();
    assert_eq!(run(path, &["run", "p.sql", "--no-serve", "--exit-at-end"]).0, Some(1));
    assert_eq!(there(), first);
    // Rows, of which no sink takes one: every file is there, complete and empty.
    let (code, said) = again("k,n,ts\na,0,2026-01-01 00:00:00\n", &["-w", "1", "--dead-letters", "dead.ndjson"]);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(fs::read_to_string(path.join("dead.ndjson")).unwrap(), "");
    let empty = there();
    let names: Vec<String> =
        empty.keys().map(|file| file.strip_prefix(path).unwrap().to_string_lossy().into_owned()).collect();
    assert_eq!(names, ["a.ndjson", "b.parquet", "c/part-0.csv"]);
    assert_eq!(empty[&path.join("a.ndjson")], b"");
    assert!(empty[&path.join("b.parquet")].ends_with(b"PAR1"));
    assert_eq!(empty[&path.join("c/part-0.csv")], b"k,n,ts\n");
    assert_eq!(again(good, &["-w", "3"]).0, Some(0));
    assert_eq!(there(), first);
}

/// A limit on the length of files is no end of the process: who writes the file hears of it, and says so.
#[test]
fn a_file_that_may_not_grow_is_told() {
    let folder =
        folder(&BOUNDED.replace("SELECT k, n FROM counts", "SELECT k, n, REPEAT('x', 1000000) AS x FROM counts"));
    let mut limited = Command::new("sh");
    let run = ["-c", "ulimit -f 100; exec \"$0\" run p.sql --no-serve --exit-at-end", env!("CARGO_BIN_EXE_highwater")];
    let Output { status, stderr, .. } = limited.args(run).current_dir(folder.path()).output().unwrap();
    let said = String::from_utf8(stderr).unwrap();
    assert!(status.code() == Some(1) && said.contains("sink 'out'") && said.contains("too large"), "{status} {said}");
}

/// No sink writes the program or the dead letters, and dead letters go to no file that is read.
#[test]
fn what_the_run_needs_itself_is_not_overwritten() {
    for (path, args, told) in [
        ("p.sql", &[][..], "sink 'out' would overwrite the program p.sql"),
        ("./x/../p.sql", &[], "would overwrite the program"),
        ("dead.ndjson", &["--dead-letters", "dead.ndjson"], "would overwrite the dead letters in dead.ndjson"),
        ("out.ndjson", &["--dead-letters", "in.ndjson"], "--dead-letters in.ndjson would overwrite what 't' reads"),
        ("out.ndjson", &["--dead-letters", "p.sql"], "--dead-letters p.sql would overwrite the program"),
    ] {
        let program = BOUNDED.replace("'out.ndjson'", &format!("'{path}'"));
        let folder = folder(&program);
        let (code, _, said) = run(folder.path(), &[&["run", "p.sql", "--no-serve", "--exit-at-end"], args].concat());
        assert!(code == Some(2) && said.contains(told), "{code:?} {said}");
        assert_eq!(fs::read_to_string(folder.path().join("p.sql")).unwrap(), program);
        assert_eq!(fs::read_to_string(folder.path().join("in.ndjson")).unwrap(), INPUT);
        if args.is_empty() {
            assert_eq!(run(folder.path(), &["check", "p.sql"]).0, Some(2));
        }
    }
}
