"""Random queries, run by highwater and by DuckDB on the same rows.

    random_queries.py BINARY SEED COUNT [correlated]        in a folder of its own, which it fills

With the last word the queries are those of correlated.py.

Rows come out of order, with NULLs, and are all accepted. What a sink wrote is folded, and compared as a multiset: at the end,
and of a query whose changes are shown as they come (EMIT CHANGES) at epochs in between, where it must be DuckDB's answer of
exactly the rows that had come: the batches of each source that are before or at the epoch. A query that highwater refuses is
counted; one in ten at most may be.
"""

import collections
import datetime
import json
import random
import subprocess
import sys

import duckdb
from compare import all_alike, plain
from correlated import Correlated
from queries import Queries

START = datetime.datetime(2024, 1, 1)
EPOCH = datetime.datetime(1970, 1, 1)
MILLISECOND = datetime.timedelta(milliseconds=1)
BOUND_MS = 1000
# Epochs that are looked at, of each query.
LOOKS = 8


def rows(count, random):
    """Rows out of order by up to five seconds, no two of one time."""
    made, times = [], set()
    for n in range(count):
        time = START + MILLISECOND * (n * 300 - random.randint(0, 5000))
        while time in times:
            time += MILLISECOND
        times.add(time)
        one = random.choice
        made.append(
            {
                "k": one([None, 1, 1, 2, 3, 4, 5]),
                "s": one([None, "", "a", "b", "ab", "B", " c ", "x%y", "a_b", "zeta"]),
                "i": one([None, random.randint(-5, 5), random.randint(-1000, 1000)]),
                "f": one([None, round(random.uniform(-10, 10), 2), 0.0, 1.5]),
                "b": one([None, True, False]),
                "ts": time.isoformat(timespec="milliseconds") + "Z",
            }
        )
    return made


def epochs(rows, tick_rows):
    """The epoch of each row, as text that sorts as epochs do: watermark, then tick, moved after every `tick_rows` rows."""
    epoch, watermark, found = (-(2**63), 0), -(2**63), []
    for n, row in enumerate(rows):
        time = (datetime.datetime.fromisoformat(row["ts"].rstrip("Z")) - EPOCH) // MILLISECOND
        found.append(f"{epoch[0] + 2**63:016x}-{epoch[1]:010x}")
        watermark = max(watermark, time - BOUND_MS)
        if (n + 1) % tick_rows == 0:
            epoch = (watermark, 0) if watermark > epoch[0] else (epoch[0], epoch[1] + 1)
    return found


class Tables:
    """The rows in files and in DuckDB."""

    def __init__(self):
        seeded = random.Random(1)
        self.rows = {name: rows(count, seeded) for name, count in (("t", 120), ("u", 40), ("w", 25))}
        self.connection = duckdb.connect()
        self.declared = ""
        for name, table in self.rows.items():
            with open(f"{name}.ndjson", "w", encoding="utf-8") as file:
                file.writelines(json.dumps(row) + "\n" for row in table)
            columns = "k BIGINT, s VARCHAR, i BIGINT, f DOUBLE, b BOOLEAN, ts TIMESTAMP"
            self.connection.execute(f"CREATE TABLE {name} ({columns}, epoch VARCHAR)")
            self.declared += f"""CREATE SOURCE {name} ({columns}, WATERMARK FOR ts AS ts - INTERVAL '1' SECOND)
                WITH ('connector' = 'filesystem', 'path' = '{name}.ndjson', 'format' = 'json', 'lateness' = 'unbounded');\n"""

    def place(self, tick_rows):
        """Puts the rows into DuckDB with their epochs; answers all epochs, ascending."""
        seen = set()
        for name, table in self.rows.items():
            found = epochs(table, tick_rows)
            seen.update(found)
            self.connection.execute(f"DELETE FROM {name}")
            values = [[*row.values(), epoch] for row, epoch in zip(table, found)]
            self.connection.executemany(f"INSERT INTO {name} VALUES (?, ?, ?, ?, ?, ?::TIMESTAMP, ?)", values)
        return sorted(seen)

    def answer(self, query, until):
        """DuckDB's answer of the rows up to an epoch."""
        prefix = ", ".join(f"{name} AS (SELECT * EXCLUDE (epoch) FROM main.{name} WHERE epoch <= '{until}')" for name in self.rows)
        result = self.connection.execute(f"WITH {prefix} SELECT * FROM ({query}) answer")
        names = [column[0] for column in result.description]
        return collections.Counter(plain(dict(zip(names, row))) for row in result.fetchall())


def differ(found, wanted, query):
    # A grouping without keys has no row before its first one.
    if not found and sum(wanted.values()) == 1 and (" GROUP BY " not in query or "ROLLUP" in query or "CUBE" in query or "()" in query):
        return False
    missing, extra = (sorted(rows.elements(), key=str) for rows in (wanted - found, found - wanted))
    return not all_alike(missing, extra)


def state_at(written, marks, told):
    """The rows of a sink at each mark: what it wrote, folded."""
    state, at = collections.Counter(), 0
    for mark in marks:
        while at < len(written) and (not told or written[at]["_epoch"] <= mark):
            row = {name: value for name, value in written[at].items() if name not in ("_op", "_epoch")}
            state[plain(row)] += {"insert": 1, "retract": -1}[written[at].get("_op", "insert")]
            at += 1
        yield mark, collections.Counter({row: count for row, count in state.items() if count})


def check(binary, tables, seeded, queries):
    """Runs a program of some queries, each with a sink; answers whether it was run, and what differs."""
    workers, tick_rows = seeded.choice("123"), seeded.choice([5, 9, 17, 8192])
    changes = [kind != "over" and seeded.random() < 0.6 for _, _, kind in queries]
    with open("q.sql", "w", encoding="utf-8") as file:
        file.write(tables.declared)
        for n, ((ours, _, _), emits) in enumerate(zip(queries, changes)):
            emit = " EMIT CHANGES" if emits else ""
            file.write(f"CREATE SINK o{n} WITH ('connector' = 'filesystem', 'path' = 'o{n}.ndjson', 'format' = 'json') AS {ours}{emit};\n")
    run = [binary, "run", "q.sql", "-w", workers, "--tick-rows", str(tick_rows), "--exit-at-end", "--no-serve"]
    ran = subprocess.run(run, capture_output=True, text=True, timeout=120)
    how = f"-w {workers} --tick-rows {tick_rows}"
    if ran.returncode == 2:
        return False, None
    if ran.returncode != 0:
        return True, f"{how}: {[ours for ours, _, _ in queries]}\n  code {ran.returncode}: {ran.stderr[-1000:]}"
    epochs = tables.place(tick_rows)
    for n, ((ours, theirs, kind), emits) in enumerate(zip(queries, changes)):
        with open(f"o{n}.ndjson", encoding="utf-8") as file:
            written = [json.loads(line) for line in file]
        told = emits and bool(written) and "_epoch" in written[0]
        marks = sorted({*epochs, *(change["_epoch"] for change in written)}) if told else epochs[-1:]
        looks = {*marks[:: max(1, len(marks) // LOOKS)], marks[-1]}
        for mark, found in state_at(written, marks, told):
            if mark not in looks:
                continue
            wanted = tables.answer(theirs, mark)
            if differ(found, wanted, ours):
                apart = "".join(f"\n  {word}: {row}" for word, some in (("missing", wanted - found), ("extra", found - wanted)) for row in list(some)[:3])
                return True, f"{kind}, {how}, {'EMIT CHANGES' if emits else 'EMIT FINAL'}: {ours}\n  at {mark}{apart}"
    return True, None


def main():
    binary, seed, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    tables, seeded = Tables(), random.Random(seed)
    queries = Correlated(seed) if sys.argv[4:] == ["correlated"] else Queries(seed)
    kinds, refused, apart = collections.Counter(), 0, 0
    while sum(kinds.values()) + refused < count:
        # Several in one program share what they read.
        some = [queries.next() for _ in range(seeded.choice([1, 1, 2, 4]))]
        ran, what = check(binary, tables, seeded, some)
        kinds.update(kind for _, _, kind in some if ran)
        refused += not ran
        if what is not None:
            apart += 1
            print(f"DIFFERS: {what}")
    print(f"seed {seed}: {sum(kinds.values())} queries of {len(kinds)} kinds, {refused} programs refused, {apart} differ")
    sys.exit(1 if apart or refused * 10 > count else 0)


if __name__ == "__main__":
    main()
