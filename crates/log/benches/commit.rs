//! The log beside a bare loop of write and fdatasync, the same bytes in the same folder and run: frames of 100 bytes and of
//! 64 KiB. `cargo bench -p highwater-log [-- FOLDER]`; without a folder it is the one for temporary files.
#![allow(clippy::unwrap_used)]

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use highwater_log::{Folder, Log, Lsn, Options, Refused, SyncMode};

fn main() {
    let folder = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let folder = folder.map_or_else(std::env::temp_dir, PathBuf::from).join(format!("log-{}", std::process::id()));
    println!("{:<34}{:>10}{:>14}{:>10}", "", "MB/s", "appends/s", "of bare");
    for (frame, count) in [(100_usize, 2_000_000_u64), (64 << 10, 8_000)] {
        let bytes = vec![b'x'; frame];
        // Runs of the size that a log's become when appends do not wait.
        let bare = bare(&folder, frame as u64 * count, 8 << 20);
        print("bare write + fdatasync, 8 MiB each", frame, count, bare, bare);
        for (name, sync) in [
            ("commit", SyncMode::Commit),
            ("every 5 ms", SyncMode::Every(Duration::from_millis(5))),
            ("os", SyncMode::Os),
        ] {
            let took = log(&folder, &bytes, count, sync);
            print(&format!("{frame} bytes, {name}"), frame, count, took, bare);
        }
    }
    let (rounds, bytes) = (200, vec![b'x'; 100]);
    let bare = bare(&folder, rounds * 4096, 4096);
    print("bare write + fdatasync, 4 KiB each", 100, rounds, bare, bare);
    let log = open(&folder, SyncMode::Commit);
    let start = Instant::now();
    for _ in 0..rounds {
        log.wait_durable(log.append(1, &[&bytes]).unwrap()).unwrap();
    }
    print("100 bytes, each waited for", 100, rounds, start.elapsed(), bare);
    drop(log);
    std::fs::remove_dir_all(&folder).unwrap();
}

fn print(name: &str, frame: usize, count: u64, took: Duration, bare: Duration) {
    let seconds = took.as_secs_f64();
    let rate = count as f64 / seconds;
    let share = 100.0 * bare.as_secs_f64() / seconds;
    println!("{name:<34}{:>10.1}{rate:>14.0}{share:>9.0}%", rate * frame as f64 / 1e6);
}

fn open(folder: &Path, sync: SyncMode) -> Log {
    let _ = std::fs::remove_dir_all(folder);
    let start = Instant::now();
    let now_ms = std::sync::Arc::new(move || start.elapsed().as_millis() as i64);
    Log::open(Folder::lock(folder).unwrap(), Options { sync, now_ms, ..Options::default() }).unwrap()
}

/// Until the last frame is durable.
fn log(folder: &Path, bytes: &[u8], count: u64, sync: SyncMode) -> Duration {
    let log = open(folder, sync);
    let start = Instant::now();
    for _ in 0..count {
        while let Err(refused) = log.append(1, &[bytes]) {
            assert!(matches!(refused, Refused::Full { .. }), "{refused}");
            log.wait_durable(log.durable()).unwrap();
        }
    }
    log.wait_durable(Lsn(count - 1)).unwrap();
    start.elapsed()
}

fn bare(folder: &Path, bytes: u64, each: usize) -> Duration {
    let _ = std::fs::remove_dir_all(folder);
    std::fs::create_dir_all(folder).unwrap();
    let file = OpenOptions::new().create_new(true).write(true).open(folder.join("bare")).unwrap();
    let piece = vec![b'x'; each];
    let start = Instant::now();
    for offset in (0..bytes).step_by(each) {
        let length = usize::try_from(bytes - offset).unwrap().min(each);
        file.write_all_at(&piece[..length], offset).unwrap();
        file.sync_data().unwrap();
    }
    start.elapsed()
}
