"""Which columns of random queries are instants, in the Parquet files that sinks write, in sessions with and without a zone: those that
DuckDB has for TIMESTAMP WITH TIME ZONE; with the values that DuckDB has.

    instants.py BINARY [--programs N] [--seed N]
"""

import argparse
import os
import random
import subprocess
import tempfile

import duckdb
from tables import Tables

# Of which zone the session is; what clocks show is compared in those whose clocks show UTC.
ZONES = ["", "UTC", "GMT+00:00", "Europe/Berlin"]
PLAIN = ("", "UTC", "GMT+00:00")


class Typed:
    """A seeded source of queries: columns with what they are, an instant (I), a time (T), or neither."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def one(self, choices):
        return self.random.choice(choices)

    def time(self, a, instant, depth=2):
        """A time of the rows of `a`."""
        if depth == 0:
            return f"{a}.{'ts' if instant else 'y'}"
        time = lambda: self.time(a, instant, depth - 1)
        condition = self.one([f"{a}.b", f"{a}.i > 0", f"{a}.k = 1"])
        return self.one([
            lambda: f"({time()} {self.one('+-')} INTERVAL '{self.random.randint(1, 90)}' {self.one(['SECOND', 'MINUTE', 'DAY'])})",
            lambda: f"CASE WHEN {condition} THEN {time()} ELSE {time()} END",
            lambda: f"CASE WHEN {condition} THEN {time()} END",
            lambda: f"COALESCE({time()}, {time()})",
            lambda: f"NULLIF({time()}, {time()})",
            lambda: f"(ARRAY[{time()}, {time()}])[{self.one([1, 2])}]",
            lambda: f"CAST({self.time(a, not instant, depth - 1)} AS {'TIMESTAMP_LTZ(3)' if instant else 'TIMESTAMP(3)'})",
            lambda: self.time(a, instant, 0),
        ])()

    def column(self, a):
        """A column, ours, and its kind."""
        instant = self.random.random() < 0.6
        kind = "I" if instant else "T"
        return self.one([(self.time(a, instant), kind)] * 4 + [(f"ARRAY[{self.time(a, instant)}]", f"{kind}[]"), (f"{a}.k", "")])

    def aggregate(self, a):
        instant = self.random.random() < 0.6
        return f"{self.one(['MIN', 'MAX'])}({self.time(a, instant, 1)})", "I" if instant else "T"

    def next(self):
        """A query, and the kinds of its columns."""
        listed = lambda columns: ", ".join(f"{column} AS c{n}" for n, (column, _) in enumerate(columns))
        columns = [self.column("t") for _ in range(self.random.randint(1, 4))]
        calls = [self.aggregate("t") for _ in range(self.random.randint(1, 3))]
        alike = lambda kind: f"ARRAY[{alike(kind[0])}]" if "[]" in kind else self.time("u", kind == "I", 1) if kind else "u.k"
        other = lambda: ", ".join(f"{alike(kind)} AS c{n}" for n, (_, kind) in enumerate(columns))
        text, kinds = self.one([
            lambda: (f"SELECT {listed(columns)} FROM t", columns),
            lambda: (f"SELECT {listed(columns)} FROM t JOIN u ON t.k = u.k AND t.i < u.i", columns),
            lambda: (f"SELECT {listed(columns)} FROM t UNION ALL SELECT {other()} FROM u", columns),
            lambda: (f"SELECT DISTINCT {listed(columns)} FROM t", columns),
            lambda: (f"SELECT {listed(calls)} FROM t GROUP BY k", calls),
            lambda: (f"SELECT {listed(calls)} FROM t", calls),
            lambda: (f"SELECT * FROM (SELECT {listed(columns)} FROM t WHERE t.b) q", columns),
            lambda: (f"WITH q AS (SELECT {listed(calls)}, k FROM t GROUP BY k) SELECT {', '.join(f'q.c{n}' for n in range(len(calls)))} FROM q JOIN u ON q.k = u.k", calls),
            lambda: (f"SELECT {listed(columns[:2])}, (SELECT MAX({self.time('u', True, 1)}) FROM u WHERE u.k = t.k) AS c{len(columns[:2])} FROM t", columns[:2] + [("", "I")]),
            lambda: (f"SELECT {listed(columns[:2])}, LAG({self.time('t', True, 1)}) OVER (PARTITION BY k ORDER BY ts) AS c{len(columns[:2])} FROM t", columns[:2] + [("", "I")]),
        ])()
        return text, [kind for _, kind in kinds]


def described(connection, query):
    """The kinds of a query's columns."""
    kinds = {"TIMESTAMP WITH TIME ZONE": "I", "TIMESTAMP": "T", "TIMESTAMP_MS": "T"}
    found = (kind for _, kind, *_ in connection.execute(f"DESCRIBE {query}").fetchall())
    return [kinds.get(kind.removesuffix("[]"), "") + ("[]" if kind.endswith("[]") and kind.removesuffix("[]") in kinds else "") for kind in found]


def rows_of(connection, query):
    """The rows, times as what UTC's clocks show."""
    names = [name for name, *_ in connection.execute(f"DESCRIBE {query}").fetchall()]
    columns = ", ".join(f"CAST({name} AS VARCHAR)" for name in names)
    rows = connection.execute(f"SELECT {columns} FROM ({query}) q").fetchall()
    return sorted((tuple(str(cell).replace("+00", "") for cell in row) for row in rows))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("--programs", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    binary, queries, seeded, apart, looked = os.path.abspath(given.binary), Typed(given.seed), random.Random(given.seed), 0, 0
    with tempfile.TemporaryDirectory() as place:
        os.chdir(place)
        tables, connection = Tables(), duckdb.connect()
        connection.execute("SET TimeZone = 'UTC'")
        declared = ""
        for name in "tu":
            columns = "k BIGINT, i BIGINT, b BOOLEAN, ts TIMESTAMP_LTZ(3), y TIMESTAMP(3)"
            declared += f"CREATE TABLE {name} ({columns}, WATERMARK FOR ts AS ts - INTERVAL '6' SECOND) WITH ('connector' = 'filesystem', 'path' = '{name}.ndjson', 'format' = 'json');\n"
            connection.execute(f"CREATE TABLE {name} AS SELECT k, i, b, CAST(ts AS TIMESTAMPTZ) AS ts, CAST(y AS TIMESTAMP) AS y FROM read_json('{name}.ndjson', columns = {{'k': 'BIGINT', 'i': 'BIGINT', 'b': 'BOOLEAN', 'ts': 'VARCHAR', 'y': 'VARCHAR'}})")
        for program in range(given.programs):
            zone, some = seeded.choice(ZONES), [queries.next() for _ in range(5)]
            text = (f"SET 'table.local-time-zone' = '{zone}';\n" if zone else "") + declared
            for n, (query, _) in enumerate(some):
                text += f"CREATE SINK o{n} WITH ('connector' = 'filesystem', 'path' = 'o{n}.parquet', 'format' = 'parquet') AS {query};\n"
            with open("q.sql", "w", encoding="utf-8") as file:
                file.write(text)
            ran = subprocess.run([binary, "run", "q.sql", "--exit-at-end", "--no-serve", "-w", seeded.choice("12")], capture_output=True, text=True, timeout=300)
            if ran.returncode != 0:
                apart += 1
                print(f"DIFFERS: in '{zone}': code {ran.returncode}: {ran.stderr[-1500:]}\n{text}", flush=True)
                continue
            for n, (query, kinds) in enumerate(some):
                looked += 1
                theirs = query.replace("TIMESTAMP_LTZ(3)", "TIMESTAMPTZ").replace("TIMESTAMP(3)", "TIMESTAMP")
                told = f"FROM 'o{n}.parquet'"
                columns = [name for name, *_ in connection.execute(f"DESCRIBE {told}").fetchall() if not name.startswith("_")]
                found = f"SELECT {', '.join(columns)} {told}"
                if described(connection, f"SELECT * FROM ({theirs}) q") != kinds:
                    raise AssertionError(f"DuckDB has {described(connection, theirs)} of {theirs}, not {kinds}")
                if described(connection, found) != kinds:
                    apart += 1
                    print(f"DIFFERS: in '{zone}': {described(connection, found)}, not {kinds}: {query}", flush=True)
                elif zone in PLAIN and len(columns) == len(connection.execute(f"DESCRIBE {told}").fetchall()):
                    if rows_of(connection, found) != rows_of(connection, theirs):
                        apart += 1
                        print(f"DIFFERS: in '{zone}', other rows: {query}", flush=True)
        print(f"seed {given.seed}: {given.programs} programs, {looked} queries, {apart} differ")
        os.chdir("/")
    raise SystemExit(1 if apart else 0)


if __name__ == "__main__":
    main()
