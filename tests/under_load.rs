//! The server under more than it is used to, as a process of its own: many readers of one view, some of which do not read, and
//! more rows than it can take. Short forms of what `cargo bench --bench serve -- readers beside overload` does at full size.
#![allow(clippy::unwrap_used, dead_code, unreachable_pub)]

#[path = "../benches/serve/beside.rs"]
mod beside;
#[path = "../benches/serve/clicks.rs"]
mod clicks;
#[path = "../benches/serve/events.rs"]
mod events;
#[path = "../benches/serve/overload.rs"]
mod overload;
#[path = "../benches/serve/pace.rs"]
mod pace;
#[path = "../benches/serve/readers.rs"]
mod readers;
#[path = "../benches/serve/requests.rs"]
mod requests;
#[path = "../benches/serve/server.rs"]
mod server;
#[path = "../benches/serve/sockets.rs"]
mod sockets;

use readers::Crowd;

/// Readers in a debug build, whose server encodes ten times as slowly.
const READERS: usize = if cfg!(debug_assertions) { 150 } else { 1_000 };

#[test]
fn many_readers_miss_nothing_whoever_does_not_read() {
    let crowd = Crowd { readers: READERS, stuck: 0, ticks: 40, tick_ms: 100 };
    let mut alone = readers::follow(crowd);
    let mut beside = readers::follow(Crowd { stuck: 20, ..crowd });
    for followed in [&alone, &beside] {
        assert_eq!((followed.wrong, followed.resets), (0, 0));
        assert_eq!(followed.deltas.len(), READERS);
        assert!(followed.compared >= READERS as u64, "{} marks were compared", followed.compared);
        assert!(followed.changes >= 100 * READERS as u64, "{} changes", followed.changes);
        let (before, peak) = followed.memory_mib;
        assert!(peak < before + 256.0, "from {before} to {peak} MiB");
    }
    // What is due every 100 ms; twice that is noise of a busy machine.
    let (alone, beside) = (alone.shown.ms(0.5), beside.shown.ms(0.5));
    assert!(beside < 2.0 * alone + 200.0, "shown after {alone:.0} ms, beside those that do not read {beside:.0} ms");
}

#[test]
fn readers_of_a_large_view_keep_nobody_else_waiting() {
    let rows = if cfg!(debug_assertions) { 50_000 } else { 300_000 };
    let pace = f64::from(1 << 20);
    let mut found = beside::run(beside::Scale { rows, readers: 100, pace, seconds: 3.0, rounds: 2 });
    let p50 = |asked: &mut beside::Asked| [0, 1, 2].map(|at| asked[at].ms(0.5));
    let (alone, idle) = (p50(&mut found.alone), p50(&mut found.idle));
    let (paced, reading) = (p50(&mut found.paced), p50(&mut found.reading));
    for (at, what) in beside::ASKED.into_iter().enumerate() {
        // Beside them as ever; the rest is noise of a busy machine. Behind all of them it would be 10 ms and more.
        assert!(idle[at] < 3.0 * alone[at] + 1.0, "{what}: {:.2} ms, and {:.2} ms alone", idle[at], alone[at]);
        assert!(paced[at] < 2.0 * alone[at] + 1.0, "{what}: {:.2} ms, and {:.2} ms alone", paced[at], alone[at]);
        assert!(reading[at] < 3.0 * alone[at] + 3.0, "{what}: {:.2} ms, and {:.2} ms alone", reading[at], alone[at]);
        let crowds = [
            ("that do not read", &mut found.idle),
            ("that read 1 MiB/s", &mut found.paced),
            ("that read", &mut found.reading),
        ];
        for (who, asked) in crowds {
            let p99 = asked[at].ms(0.99);
            assert!(p99 < 250.0, "{what} beside readers {who}: p99 {p99:.0} ms");
        }
    }
    assert!(found.idle_kib <= 256.0, "{:.0} KiB of each reader that does not read", found.idle_kib);
    let [paced, fast] = found.taken_mib;
    assert!(paced > 50.0 && fast > 50.0, "readers take {paced:.0} and {fast:.0} MiB/s");
}

#[test]
fn what_is_too_much_is_refused_and_what_is_taken_is_in_the_result() {
    let found = overload::run(3.0, 1.5, 5.0);
    let sent = &found.sent;
    assert_eq!(sent.accepted + sent.refused, sent.sent, "every row is accounted for");
    assert!(sent.refused > 0 && sent.accepted > 0, "{} taken, {} refused", sent.accepted, sent.refused);
    assert_eq!(found.shown, sent.accepted, "every row taken is in the result, and no other");
    let (before, last) = found.memory_mib;
    assert!(before.max(last) < 384.0, "{before} and then {last} MiB");
}

/// `tests/under_load/soak.py` does it for five minutes. Needs `python3`, as `.ci/run` has it.
#[test]
fn a_soak_leaves_everything_as_it_was() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/under_load/soak.py");
    let output = std::process::Command::new("python3").args([script, env!("CARGO_BIN_EXE_highwater"), "20"]).output();
    let Ok(output) = output else {
        assert!(std::env::var_os("CI").is_none(), "there is no python3");
        return eprintln!("skipped: there is no python3");
    };
    let [told, wrong] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    assert!(output.status.success(), "{told}\n{wrong}");
}
