"""The rows that random queries are over, in files for highwater and in DuckDB, each with the epoch at which it comes.

Columns are those of COLUMNS. `ts` is the event time, never NULL and of one row only, over all tables; all others have NULLs.
`m` is a DECIMAL, `g` has NaN, infinities and -0.0, `x` texts of which some are numbers, `y` times from the year 1000 to 9999,
`a` arrays.
"""

import bisect
import collections
import datetime
import json
import random

import duckdb
from compare import plain

START = datetime.datetime(2024, 1, 1)
EPOCH = datetime.datetime(1970, 1, 1)
MILLISECOND = datetime.timedelta(milliseconds=1)
# How sources take rows that are out of order, by up to five seconds and a bit: however late behind a watermark that is a second
# behind, so that what has closed is amended; or all on time, so that what has closed is final.
LATE = {"amended": (1, ", 'lateness' = 'unbounded'"), "final": (6, "")}
COLUMNS = {
    "k": "BIGINT", "s": "VARCHAR", "i": "BIGINT", "f": "DOUBLE", "b": "BOOLEAN", "ts": "TIMESTAMP",
    "m": "DECIMAL(12, 3)", "g": "DOUBLE", "x": "VARCHAR", "y": "TIMESTAMP", "a": "ARRAY<BIGINT>",
}
# How many rows each table has; of `z` there are none. Those of `v` are versions of their keys, in order of time.
COUNTS = {"t": 120, "u": 40, "w": 25, "z": 0}
VERSIONS = 30
# How many rows the tables p and q have, whose times are apart by the second at least.
TIED = 60
# After how many rows a source goes to its next epoch.
TICK_ROWS = (5, 9, 17, 8192)


def far(random):
    """A time that nanoseconds of 64 bits have, or have no room for."""
    year = random.choice([1000, 1582, 1676, 1677, 1678, 1969, 1970, 2024, 2261, 2262, 2263, 9999])
    seconds = random.choice([0, 1, 86_399, 86_400 * 58, random.randrange(86_400 * 365)])
    return datetime.datetime(year, 1, 1) + datetime.timedelta(seconds=seconds, milliseconds=random.choice([0, 0, 1, 999]))


def shown(time):
    return time.isoformat(timespec="milliseconds") + "Z"


def rows(place, count, random):
    """Rows out of order by up to five seconds, no two of one time, and none of a time of another table."""
    made, times = [], set()
    for n in range(count):
        time = START + MILLISECOND * ((n * 300 - random.randint(0, 5000)) // 4 * 4 + place)
        while time in times:
            time += 4 * MILLISECOND
        times.add(time)
        one = random.choice
        made.append(
            {
                "k": one([None, 1, 1, 2, 3, 4, 5]),
                "s": one([None, "", "a", "b", "ab", "B", " c ", "x%y", "a_b", "zeta"]),
                "i": one([None, random.randint(-5, 5), random.randint(-1000, 1000)]),
                "f": one([None, round(random.uniform(-10, 10), 2), 0.0, 1.5]),
                "b": one([None, True, False]),
                "ts": shown(time),
                "m": one([None, "0.000", "1.235", "-1.235", "2.500", "1.000", f"{random.randint(-9999, 9999) / 1000:.3f}", "123456789.125"]),
                "g": one([None, "NaN", "Infinity", "-Infinity", -0.0, 0.0, 1.5, -2.25, 1e15]),
                "x": one([None, "", "5", "-3", "007", "abc", "12", "2024-01-01", "true", "9999999999"]),
                "y": one([None, shown(far(random)), shown(far(random)), "2024-01-01T00:00:10.000Z"]),
                "a": one([None, [], [1], [None, 2], [3, 3, 1], [random.randint(-5, 5) for _ in range(4)]]),
            }
        )
    return made


def tied(rows):
    """The rows at the full second that they are behind."""
    return [{**row, "ts": shown(datetime.datetime.fromisoformat(row["ts"].rstrip("Z")).replace(microsecond=0))} for row in rows]


def epochs(rows, tick_rows, bound):
    """The epoch of each row, as text that sorts as epochs do: watermark, then tick, moved after every `tick_rows` rows."""
    epoch, watermark, found = (-(2**63), 0), -(2**63), []
    for n, row in enumerate(rows):
        time = (datetime.datetime.fromisoformat(row["ts"].rstrip("Z")) - EPOCH) // MILLISECOND
        found.append(f"{epoch[0] + 2**63:016x}-{epoch[1]:010x}")
        watermark = max(watermark, time - bound * 1000)
        if (n + 1) % tick_rows == 0:
            epoch = (watermark, 0) if watermark > epoch[0] else (epoch[0], epoch[1] + 1)
    return found


class Tables:
    """The rows in files and in DuckDB."""

    def __init__(self):
        seeded = random.Random(1)
        self.rows = {name: rows(place, count, seeded) for place, (name, count) in enumerate(COUNTS.items())}
        self.rows["v"] = sorted((row for row in rows(0, VERSIONS, seeded) if row["k"]), key=lambda row: row["ts"])
        # Many of one time, in each and in both.
        self.rows.update({name: tied(rows(0, TIED, seeded)) for name in "pq"})
        self.connection, self.prefixes = duckdb.connect(config={"threads": 1}), {}
        self.connection.execute("SET TimeZone = 'UTC'")
        self.epochs = {(late, tick_rows): self.place(late, tick_rows) for late in LATE for tick_rows in TICK_ROWS}
        for name, table in self.rows.items():
            with open(f"{name}.ndjson", "w", encoding="utf-8") as file:
                file.writelines(json.dumps(row) + "\n" for row in table)
        self.declared = {late: self.declare(*how) for late, how in LATE.items()}

    def declare(self, bound, lateness):
        columns, text = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items()), ""
        for name in self.rows:
            of = f"{columns}, WATERMARK FOR ts AS ts - INTERVAL '{bound}' SECOND"
            options = f"'connector' = 'filesystem', 'path' = '{name}.ndjson', 'format' = 'json'{lateness}"
            text += f"CREATE TABLE {name} ({of}{', PRIMARY KEY (k) NOT ENFORCED' if name == 'v' else ''}) WITH ({options});\n"
        return text

    def place(self, late, tick_rows):
        """Puts the rows into DuckDB with their epochs; answers all epochs, ascending."""
        seen, schema = set(), f"{late}{tick_rows}"
        columns = ", ".join(f"{name} {'BIGINT[]' if kind.startswith('ARRAY') else kind}" for name, kind in COLUMNS.items())
        self.connection.execute(f"CREATE SCHEMA {schema}")
        for name, table in self.rows.items():
            found = epochs(table, tick_rows, LATE[late][0])
            seen.update(found)
            self.connection.execute(f"CREATE TABLE {schema}.{name} ({columns}, epoch VARCHAR)")
            values = [[value.rstrip("Z") if key in ("ts", "y") and value else value for key, value in row.items()] + [epoch] for row, epoch in zip(table, found)]
            if values:
                places = ", ".join(["?"] * len(values[0]))
                self.connection.executemany(f"INSERT INTO {schema}.{name} VALUES ({places})", values)
        return sorted(seen)

    def prefix(self, how, until):
        """The schema with the rows up to an epoch. (Of a WITH in their place DuckDB makes something else below ANY.)"""
        come = bisect.bisect_right(self.epochs[how], until)
        if (how, come) not in self.prefixes:
            schema = f"{how[0]}{how[1]}"
            self.prefixes[how, come] = f"{schema}_{come}"
            self.connection.execute(f"CREATE SCHEMA {schema}_{come}")
            for name in self.rows:
                rows = f"SELECT * EXCLUDE (epoch) FROM {schema}.{name} WHERE epoch <= '{until}'"
                self.connection.execute(f"CREATE TABLE {schema}_{come}.{name} AS {rows}")
        return self.prefixes[how, come]

    def answer(self, query, how, until, views=()):
        """DuckDB's answer of the rows up to an epoch, as a multiset."""
        self.connection.execute(f"USE {self.prefix(how, until)}")
        parts = ", ".join(f"{view.name} AS ({view.theirs})" for view in views)
        result = self.connection.execute(f"{'WITH ' + parts if parts else ''} SELECT * FROM ({query}) answer")
        names = [column[0] for column in result.description]
        return collections.Counter(plain(dict(zip(names, row))) for row in result.fetchall())
