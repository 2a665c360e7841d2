//! `highwater data`: logs that are whole, damaged, in use, of another version, and folders that are none.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Child;
use std::sync::Arc;

use highwater_log::{Folder, Log, Lsn, Options};
use serde_json::Value;

use super::{command, run};

const FIRST: &str = "00000000000000000000.log";

fn options() -> Options {
    let now_ms = Arc::new(|| 1_767_225_600_000);
    Options {
        segment_bytes: 64 << 10,
        block_bytes: 4096,
        waiting_bytes: 16 << 10,
        lineage: 0xab,
        now_ms,
        ..Options::default()
    }
}

/// Appends frames of 1 KB, each in a block of its own.
fn append(log: &Log, frames: u64) {
    for _ in 0..frames {
        let lsn = log.append((log.next().0 % 3) as u8, &[&[b'x'; 1000]]).unwrap();
        log.wait_durable(lsn).unwrap();
    }
}

/// A data directory `data` with a log of 40 frames in three segments.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let log = Log::open(Folder::lock(&folder.path().join("data")).unwrap(), options()).unwrap();
    append(&log, 40);
    log.close().unwrap();
    folder
}

fn flip(folder: &Path, file: &str, at: u64) {
    let file = fs::OpenOptions::new().read(true).write(true).open(folder.join("data").join(file)).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 1], at).unwrap();
}

fn data(folder: &Path, args: &[&str]) -> (Option<i32>, String, String) {
    run(folder, &[&["data"], args].concat())
}

fn inspected(folder: &Path) -> Value {
    let (code, out, err) = data(folder, &["inspect", "data", "--json"]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    serde_json::from_str(&out).unwrap()
}

#[test]
fn a_whole_log_is_shown_verified_and_left_alone() {
    let folder = folder();
    let (code, out, err) = data(folder.path(), &["inspect", "data"]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    for told in [
        "data: frames 0 to 39 (40), 172.0 KiB of 192.0 KiB used",
        "lineage 000000000000000000000000000000ab, opened 1 time, closed in order, durable before frame 40",
        "  00000000000000000000.log   frames 0 to 14 (15)  15 blocks  64.0 KiB  2026-01-01T00:00:00.000Z, opening 1",
        "  00000000000000000030.log  frames 30 to 39 (10)  10 blocks  44.0 KiB",
        "  opened by a process  13 frames  12.7 KiB",
        "  kind 0               14 frames  13.7 KiB",
    ] {
        assert!(out.contains(told), "no '{told}' in\n{out}");
    }
    assert!(!out.contains("damage"), "{out}");
    let json = inspected(folder.path());
    assert_eq!((&json["first"], &json["end"], &json["durable"]), (&0.into(), &40.into(), &40.into()));
    assert_eq!((&json["closed"], &json["openings"], &json["damage"]), (&true.into(), &1.into(), &Value::Null));
    assert_eq!(json["segments"].as_array().unwrap().len(), 3);
    assert_eq!(json["kinds"][0]["frames"], 14);
    let (code, out, err) = data(folder.path(), &["verify", "data"]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    assert_eq!(out, "ok: frames 0 to 39 (40) in 3 segments, 192.0 KiB\n");
    for args in [&["repair", "data"][..], &["repair", "data", "--yes"]] {
        assert_eq!(data(folder.path(), args), (Some(0), "nothing to repair\n".to_owned(), String::new()));
    }
}

#[test]
fn d9_damage_is_told_with_file_and_byte_and_a_repair_asks_first() {
    let folder = folder();
    let middle = "00000000000000000015.log";
    flip(folder.path(), middle, 3 * 4096 + 100);
    let place = format!("'{middle}' at byte 12288, frame 17");
    let (code, out, err) = data(folder.path(), &["verify", "data"]);
    assert_eq!((code, out.as_str()), (Some(1), ""));
    assert!(err.contains(&place) && err.contains("`highwater data repair data`"), "{err}");
    let (code, out, _) = data(folder.path(), &["inspect", "data"]);
    assert!(code == Some(0) && out.contains(&format!("damaged: {place}")), "{out}");
    let json = inspected(folder.path());
    assert_eq!((&json["damage"]["file"], &json["damage"]["offset"]), (&middle.into(), &12288.into()));
    assert_eq!((&json["repair_cuts"]["segments"], &json["repair_cuts"]["end"]), (&1.into(), &40.into()));
    let (code, _, err) = data(folder.path(), &["backup", "data", "copy"]);
    assert!(code == Some(1) && err.contains(&place), "{err}");
    assert!(!folder.path().join("copy").exists() && !folder.path().join("copy.part").exists());

    // It tells and does nothing.
    let before = fs::read(folder.path().join("data").join(middle)).unwrap();
    let (code, told, err) = data(folder.path(), &["repair", "data"]);
    assert!(code == Some(1) && err.contains("nothing was changed: --yes repairs it"), "{err}");
    for line in [
        &format!("damaged: {place}"),
        "kept: frames 0 to 16 (17)",
        "and 1 segment behind that",
        "lost: frames 17 to 39 (23)",
    ] {
        assert!(told.contains(line), "no '{line}' in\n{told}");
    }
    assert_eq!(fs::read(folder.path().join("data").join(middle)).unwrap(), before);
    let (code, done, err) = data(folder.path(), &["repair", "data", "--yes"]);
    assert_eq!((code, err.as_str()), (Some(0), ""), "{done}");
    assert!(done.starts_with(&told) && done.contains("repaired: the log goes on behind frame 16\n"), "{done}");
    let kept: Vec<&str> = done.lines().filter_map(|line| line.strip_prefix("what was cut off is kept in ")).collect();
    assert_eq!(kept.len(), 2);
    assert!(kept.iter().all(|file| folder.path().join(file).exists()), "{kept:?}");
    assert_eq!(inspected(folder.path())["cut"].as_array().unwrap().len(), 2);
    assert_eq!(data(folder.path(), &["verify", "data"]).0, Some(0));
    let log = Log::open(Folder::lock(&folder.path().join("data")).unwrap(), options()).unwrap();
    assert_eq!(log.opened().end, Lsn(17));
}

#[test]
fn d12_a_log_in_use_is_looked_at_and_copied_but_not_repaired() {
    let folder = folder();
    let log = Log::open(Folder::lock(&folder.path().join("data")).unwrap(), options()).unwrap();
    append(&log, 5);
    let json = inspected(folder.path());
    assert_eq!((&json["closed"], &json["end"], &json["openings"]), (&false.into(), &45.into(), &2.into()));
    assert_eq!(data(folder.path(), &["verify", "data"]).0, Some(0));
    let (code, _, err) = data(folder.path(), &["repair", "data", "--yes"]);
    let holder = format!("process {}", std::process::id());
    assert!(code == Some(1) && err.contains("'data' is in use by ") && err.contains(&holder), "{err}");
    let (code, out, err) = data(folder.path(), &["backup", "data", "copy"]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    assert_eq!(out, "copied: frames 0 to 44 (45) in 3 segments, 192.0 KiB, to copy\n");
    append(&log, 5);
    let copy = Log::open(Folder::lock(&folder.path().join("copy")).unwrap(), options()).unwrap();
    assert_eq!((copy.opened().end, copy.opened().lineage), (Lsn(45), 0xab));
    let mut reader = copy.reader(Lsn(0)).unwrap();
    while let Some(frame) = reader.read().unwrap() {
        assert_eq!((u64::from(frame.kind), frame.bytes), (frame.lsn.0 % 3, &[b'x'; 1000][..]));
    }
    assert_eq!(reader.next_lsn(), Lsn(45));
}

#[test]
fn copies_are_made_where_nothing_is_and_only_whole_ones_have_their_name() {
    let folder = folder();
    let here = folder.path();
    fs::create_dir_all(here.join("full")).unwrap();
    fs::write(here.join("full/x"), "").unwrap();
    fs::create_dir_all(here.join("other.part")).unwrap();
    for (copy, why) in [
        ("full", "is not empty"),
        ("data/copy", "is within the data directory"),
        ("no/such/copy", "No such file"),
        ("other", "other.part' is what an earlier backup"),
    ] {
        let (code, out, err) = data(here, &["backup", "data", copy]);
        assert!((code, out.as_str()) == (Some(2), "") && err.contains(why), "{copy}: {code:?} {err}");
    }
    // An empty folder takes one, and a backup that is killed leaves only what does not have its name.
    fs::create_dir_all(here.join("empty")).unwrap();
    assert_eq!(data(here, &["backup", "data", "empty"]).0, Some(0));
    assert_eq!(data(here, &["verify", "empty"]).0, Some(0));
    for round in 0..30 {
        let copy = format!("copy{round}");
        let mut child: Child = command(here, &["data", "backup", "data", &copy]).spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_micros(round * 700));
        child.kill().unwrap();
        child.wait().unwrap();
        if here.join(&copy).exists() {
            assert_eq!(data(here, &["verify", &copy]).0, Some(0));
        }
    }
}

#[test]
fn folders_that_are_no_logs_are_told_apart() {
    let folder = folder();
    let here = folder.path();
    fs::create_dir_all(here.join("empty")).unwrap();
    for (what, why) in [
        ("nowhere", "nowhere: No such file"),
        ("empty", "'empty' is empty"),
        (".", "'.' holds no log"),
        ("data/tip", "Not a directory"),
    ] {
        for args in [&["inspect", what][..], &["verify", what], &["repair", what], &["backup", what, "copy"]] {
            let (code, out, err) = data(here, args);
            assert!((code, out.as_str()) == (Some(2), "") && err.contains(why), "{args:?}: {code:?} {err}");
        }
    }
    assert!(!here.join("nowhere").exists() && fs::read_dir(here.join("empty")).unwrap().next().is_none());
    // A version that is newer: what its number is checked with is as it should be.
    let path = here.join("data").join(FIRST);
    let mut bytes = fs::read(&path).unwrap();
    bytes[8..12].copy_from_slice(&2_u32.to_le_bytes());
    let crc = crc32(&bytes[8..4096]);
    bytes[4..8].copy_from_slice(&crc.to_le_bytes());
    fs::write(&path, bytes).unwrap();
    for args in
        [&["inspect", "data"][..], &["verify", "data"], &["repair", "data", "--yes"], &["backup", "data", "copy"]]
    {
        let (code, _, err) = data(here, args);
        assert!(
            code == Some(1) && err.contains("has the format 2 of the log, this program knows 1; open it with"),
            "{err}"
        );
    }
    // Nothing can be read: nothing is guessed.
    fs::write(&path, vec![7; 64 << 10]).unwrap();
    for name in ["00000000000000000015.log", "00000000000000000030.log"] {
        fs::remove_file(here.join("data").join(name)).unwrap();
    }
    let (code, _, err) = data(here, &["repair", "data", "--yes"]);
    assert!(code == Some(1) && err.contains("nothing is left that a repair could keep"), "{err}");
    assert!(path.exists());
    let (code, _, err) = run(here, &["data"]);
    assert!(
        code == Some(2) && ["inspect", "verify", "repair", "backup"].iter().all(|command| err.contains(command)),
        "{err}"
    );
}

/// The polynomial of zip and Ethernet, bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc: u32, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| step(crc)))
}
