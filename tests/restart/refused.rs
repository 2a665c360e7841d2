//! Data directories that are refused, and why.

use std::fs;

use super::process::*;

const PROGRAM: &str = "
CREATE SOURCE clicks (page VARCHAR, ms BIGINT) WITH ('connector' = 'http', 'format' = 'json');
CREATE MATERIALIZED VIEW totals AS SELECT page, COUNT(*) AS n FROM clicks GROUP BY page;
";

fn refused(folder: &std::path::Path, args: &[&str]) -> String {
    let mut process = Process::spawn(folder, args);
    assert_ne!(process.ends().code(), Some(0), "it ran");
    process.said.join("\n")
}

#[test]
fn d12_d13_another_process_and_another_program_are_refused() {
    let folder = folder(PROGRAM);
    let process = Process::start(folder.path(), &[]);
    process.post("/api/v1/sources/clicks/events", "{\"page\":\"a\",\"ms\":1}");
    let said = refused(folder.path(), &[]);
    assert!(said.contains("is in use by highwater (process "), "{said}");
    process.kill();
    fs::write(folder.path().join("p.sql"), PROGRAM.replace("GROUP BY page", "WHERE ms > 0 GROUP BY page")).unwrap();
    let said = refused(folder.path(), &[]);
    assert!(
        said.contains("it was written by another program: ") && said.contains("name another directory with --data-dir"),
        "{said}"
    );
    fs::write(folder.path().join("p.sql"), PROGRAM).unwrap();
    let process = Process::start(folder.path(), &[]);
    assert_eq!(process.rows("totals").len(), 1);
}

#[test]
fn what_cannot_be_kept_is_said_before_anything_runs() {
    let folder = folder(PROGRAM);
    assert!(refused(folder.path(), &["--drain"]).contains("--drain"));
    assert!(refused(folder.path(), &["-n", "2", "-p", "0"]).contains("2 processes"));
    assert!(!folder.path().join("data").exists());
}

/// D9: damage is refused with file and offset.
#[test]
fn d9_a_damaged_directory_is_refused() {
    let folder = folder(PROGRAM);
    let process = Process::start(folder.path(), &[]);
    for n in 0..50 {
        process.post("/api/v1/sources/clicks/events", &format!("{{\"page\":\"p{n}\",\"ms\":1}}"));
    }
    assert_eq!(process.stop().code(), Some(0));
    let file = folder.path().join("data/00000000000000000000.log");
    let mut bytes = fs::read(&file).unwrap();
    bytes[4096 + 60] ^= 1;
    fs::write(&file, &bytes).unwrap();
    let said = refused(folder.path(), &[]);
    assert!(said.contains("the log is damaged") && said.contains("at byte 4096"), "{said}");
}
