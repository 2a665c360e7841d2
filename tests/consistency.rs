//! Internal consistency, after Jamie Brandon ("Internal consistency in streaming systems", 2021): a bank's transactions,
//! out of order; credits, debits, their join, its total, and an outer join of the transactions with themselves. In every
//! epoch that is shown the total is 0, the balances are those of a prefix of the accepted transactions, and no
//! transaction lacks its partner; at any number of workers and as two processes, in the same bytes.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

/// Python's `random`, as far as it is needed: the Mersenne twister.
struct Python {
    state: Vec<u32>,
    next: usize,
}

impl Python {
    /// `random.seed(seed)`.
    fn seed(seed: u32) -> Python {
        let mut state = vec![19_650_218u32];
        for i in 1..624u32 {
            let last = state[i as usize - 1];
            state.push(1_812_433_253u32.wrapping_mul(last ^ (last >> 30)).wrapping_add(i));
        }
        let mut i = 1;
        for _ in 0..624 {
            let last = state[i - 1];
            state[i] = (state[i] ^ (last ^ (last >> 30)).wrapping_mul(1_664_525)).wrapping_add(seed);
            i += 1;
            if i == 624 {
                (state[0], i) = (state[623], 1);
            }
        }
        for _ in 0..623 {
            let last = state[i - 1];
            state[i] = (state[i] ^ (last ^ (last >> 30)).wrapping_mul(1_566_083_941)).wrapping_sub(i as u32);
            i += 1;
            if i == 624 {
                (state[0], i) = (state[623], 1);
            }
        }
        state[0] = 0x8000_0000;
        Python { state, next: 624 }
    }

    fn bits(&mut self) -> u32 {
        if self.next == 624 {
            for i in 0..624 {
                let y = (self.state[i] & 0x8000_0000) | (self.state[(i + 1) % 624] & 0x7fff_ffff);
                let odd = if y & 1 == 1 { 0x9908_b0df } else { 0 };
                self.state[i] = self.state[(i + 397) % 624] ^ (y >> 1) ^ odd;
            }
            self.next = 0;
        }
        let mut y = self.state[self.next];
        self.next += 1;
        y ^= y >> 11;
        y ^= (y << 7) & 0x9d2c_5680;
        y ^= (y << 15) & 0xefc6_0000;
        y ^ (y >> 18)
    }

    /// `random.uniform(0, 10)`.
    fn uniform_to_10(&mut self) -> f64 {
        let (a, b) = (self.bits() >> 5, self.bits() >> 6);
        10.0 * ((f64::from(a) * 67_108_864.0 + f64::from(b)) / 9_007_199_254_740_992.0)
    }

    /// `random.randint(0, 9)`.
    fn digit(&mut self) -> i64 {
        loop {
            let drawn = self.bits() >> 28;
            if drawn < 10 {
                return i64::from(drawn);
            }
        }
    }
}

struct Transaction {
    id: i64,
    from: i64,
    to: i64,
    second: i64,
}

fn transactions(count: i64) -> Vec<Transaction> {
    let mut random = Python::seed(42);
    let mut drawn: Vec<(f64, Transaction)> = (0..count)
        .map(|id| {
            let second = 60 * id / count;
            let delay = random.uniform_to_10();
            let (from, to) = (random.digit(), random.digit());
            (second as f64 + delay, Transaction { id, from, to, second })
        })
        .collect();
    drawn.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.id.cmp(&b.1.id)));
    drawn.into_iter().map(|(_, transaction)| transaction).collect()
}

/// Those that a watermark 5 s behind lets in, in order of arrival; all of them if lateness is unbounded.
fn accepted(all: &[Transaction], unbounded: bool) -> Vec<&Transaction> {
    let mut watermark = i64::MIN;
    let arrives = |transaction: &&Transaction| {
        let on_time = transaction.second >= watermark;
        watermark = watermark.max(transaction.second - 5);
        on_time || unbounded
    };
    all.iter().filter(arrives).collect()
}

fn program(folder: &Path, unbounded: bool) -> String {
    let folder = folder.display();
    let lateness = if unbounded { ", 'lateness' = 'unbounded'" } else { "" };
    let sink = |name: &str| {
        format!(
            "CREATE SINK {name}_file WITH ('connector' = 'filesystem', 'path' = '{folder}/{name}.ndjson', 'format' = 'json')
             AS SELECT * FROM {name};\n"
        )
    };
    format!(
        "CREATE SOURCE transactions (
           id BIGINT, from_account BIGINT, to_account BIGINT, amount BIGINT, ts TIMESTAMP(3),
           WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
         ) WITH ('connector' = 'filesystem', 'path' = '{folder}/transactions.ndjson', 'format' = 'json'{lateness});
         CREATE VIEW credits AS
           SELECT to_account AS account, SUM(amount) AS credits FROM transactions GROUP BY to_account EMIT CHANGES;
         CREATE VIEW debits AS
           SELECT from_account AS account, SUM(amount) AS debits FROM transactions GROUP BY from_account EMIT CHANGES;
         CREATE VIEW balance AS
           SELECT credits.account, credits - debits AS balance
           FROM credits JOIN debits ON credits.account = debits.account EMIT CHANGES;
         CREATE VIEW total AS SELECT SUM(balance) AS total FROM balance EMIT CHANGES;
         CREATE VIEW pairs AS
           SELECT a.id, b.id AS other FROM transactions a LEFT JOIN transactions b ON a.id = b.id EMIT CHANGES;
         {}{}{}",
        sink("balance"),
        sink("total"),
        sink("pairs"),
    )
}

/// Runs the program as so many processes of so many workers; answers the files that it wrote.
fn run(all: &[Transaction], unbounded: bool, processes: usize, workers: usize) -> [String; 3] {
    let folder = tempfile::tempdir().unwrap();
    let line = |t: &Transaction| {
        let Transaction { id, from, to, second } = t;
        format!(
            "{{\"id\":{id},\"from_account\":{from},\"to_account\":{to},\"amount\":1,\"ts\":\"2021-01-01 00:00:{second:02}.000\"}}\n"
        )
    };
    std::fs::write(folder.path().join("transactions.ndjson"), all.iter().map(line).collect::<String>()).unwrap();
    let sql = folder.path().join("bank.sql");
    std::fs::write(&sql, program(folder.path(), unbounded)).unwrap();
    let hosts = folder.path().join("hosts");
    let free = |_| TcpListener::bind("127.0.0.1:0").unwrap();
    let listeners: Vec<TcpListener> = (0..processes).map(free).collect();
    let addresses: Vec<String> = listeners.iter().map(|l| l.local_addr().unwrap().to_string()).collect();
    std::fs::write(&hosts, addresses.join("\n")).unwrap();
    drop(listeners);
    let start = |process: usize| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_highwater"));
        command.arg("run").arg(&sql).args(["--exit-at-end", "--no-serve", "-w", &workers.to_string()]);
        if processes > 1 {
            command.args(["-n", &processes.to_string(), "-p", &process.to_string(), "--hostfile"]).arg(&hosts);
        }
        command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let running: Vec<_> = (0..processes).map(start).collect();
    for child in running {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    ["balance", "total", "pairs"]
        .map(|name| std::fs::read_to_string(folder.path().join(format!("{name}.ndjson"))).unwrap())
}

/// A row of numbers (NULL is none), and +1 or -1.
type Change = (Vec<Option<i64>>, i64);

/// The changes of a file by epoch, of these columns.
fn epochs(text: &str, columns: &[&str]) -> Vec<Vec<Change>> {
    let mut epochs: Vec<(String, Vec<Change>)> = Vec::new();
    for line in text.lines() {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        let epoch = row["_epoch"].as_str().unwrap().to_owned();
        let sign = if row["_op"] == "insert" { 1 } else { -1 };
        let values = columns.iter().map(|column| row[column].as_i64()).collect();
        match epochs.last_mut() {
            Some((last, changes)) if *last == epoch => changes.push((values, sign)),
            last => {
                assert!(last.is_none_or(|(last, _)| *last < epoch), "epochs ascend");
                epochs.push((epoch, vec![(values, sign)]));
            }
        }
    }
    epochs.into_iter().map(|(_, changes)| changes).collect()
}

fn apply(state: &mut BTreeMap<Vec<Option<i64>>, i64>, changes: &[(Vec<Option<i64>>, i64)]) {
    changes.iter().for_each(|(row, sign)| *state.entry(row.clone()).or_default() += sign);
    state.retain(|_, count| *count != 0);
    assert!(state.values().all(|count| *count == 1), "a row stands once");
}

/// The balances of the first transactions, of accounts that have both credits and debits.
fn balances(prefix: &[&Transaction]) -> BTreeMap<i64, i64> {
    let (mut credits, mut debits): (BTreeMap<i64, i64>, BTreeMap<i64, i64>) = Default::default();
    for transaction in prefix {
        *credits.entry(transaction.to).or_default() += 1;
        *debits.entry(transaction.from).or_default() += 1;
    }
    credits.into_iter().filter_map(|(account, credit)| Some((account, credit - debits.get(&account)?))).collect()
}

fn check(all: &[Transaction], unbounded: bool, [balance, total, pairs]: &[String; 3], last: Option<[i64; 10]>) {
    let accepted = accepted(all, unbounded);
    let mut seen: BTreeSet<Vec<(i64, i64)>> = BTreeSet::new();
    for prefix in 0..=accepted.len().min(2_000) {
        seen.insert(balances(&accepted[..prefix]).into_iter().collect());
    }
    // Beyond the first, every account has both sides: balances change by one transaction at a time.
    let mut running: BTreeMap<i64, i64> = balances(&accepted[..accepted.len().min(2_000)]);
    for transaction in accepted.iter().skip(2_000) {
        *running.get_mut(&transaction.to).unwrap() += 1;
        *running.get_mut(&transaction.from).unwrap() -= 1;
        seen.insert(running.iter().map(|(account, balance)| (*account, *balance)).collect());
    }
    let mut state = BTreeMap::new();
    let epochs_of_balance = epochs(balance, &["account", "balance"]);
    assert!(epochs_of_balance.len() > 5, "there are intermediate answers");
    for changes in &epochs_of_balance {
        apply(&mut state, changes);
        let shown: Vec<(i64, i64)> = state.keys().map(|row| (row[0].unwrap(), row[1].unwrap())).collect();
        assert!(seen.contains(&shown), "{shown:?} are the balances of no prefix");
    }
    let shown: BTreeMap<i64, i64> = state.keys().map(|row| (row[0].unwrap(), row[1].unwrap())).collect();
    assert_eq!(shown, balances(&accepted));
    if let Some(last) = last {
        assert_eq!(shown.into_values().collect::<Vec<_>>(), last);
    }
    let mut state = BTreeMap::new();
    for changes in epochs(total, &["total"]) {
        apply(&mut state, &changes);
        assert!(state.keys().all(|row| row[0] == Some(0)), "the total is not 0: {state:?}");
    }
    let mut state = BTreeMap::new();
    for changes in epochs(pairs, &["id", "other"]) {
        assert!(changes.iter().all(|(row, sign)| row[1] == row[0] && *sign == 1), "a transaction lacks its partner");
        apply(&mut state, &changes);
    }
    assert_eq!(state.len(), accepted.len());
}

/// Runs it in every way, and checks what one worker wrote: the others write the same bytes.
fn in_every_way(unbounded: bool, last: [i64; 10]) {
    let all = transactions(100_000);
    let one = run(&all, unbounded, 1, 1);
    check(&all, unbounded, &one, Some(last));
    for (processes, workers) in [(1, 2), (1, 4), (2, 1)] {
        assert!(run(&all, unbounded, processes, workers) == one, "{processes} processes of {workers} workers differ");
    }
}

#[test]
fn every_answer_is_that_of_a_prefix() {
    assert_eq!(accepted(&transactions(100_000), false).len(), 64_138);
    in_every_way(false, [-44, 104, -21, 53, 90, -94, -36, 81, -155, 22]);
}

#[test]
fn with_unbounded_lateness_nothing_is_left_out() {
    in_every_way(true, [35, 112, 64, 93, 59, 32, -69, -46, -398, 118]);
}
