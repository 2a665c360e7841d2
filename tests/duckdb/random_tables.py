"""Random queries over reference tables whose rows come, change and go over REST, while highwater runs.

    random_tables.py BINARY [--programs N] [--seed N] [--steps N]

It works in a folder that is gone afterwards. Every program has views of random queries over four tables by key. After each request
(rows in, in the place of others, out, all anew, some columns) the views must be DuckDB's answers over the tables as they are then,
all of them read at one epoch, and a view must have as many dead letters as rows fail then.
"""

import argparse
import collections
import http.client
import json
import os
import random
import re
import subprocess
import sys
import tempfile

import duckdb
from compare import plain
from correlated import Correlated
from failing import Failing
from programs import TIMELY
from queries import NONE_FAILS, Queries
from random_queries import differ
from tables import COLUMNS, COUNTS, rows
from values import Values

MAKERS = (Queries, Queries, Correlated, Values, Failing)


class Server:
    """A running program."""

    def __init__(self, binary, workers):
        command = [binary, "run", "p.sql", "-w", workers, "--listen", "127.0.0.1:0"]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.said, self.port = [], None
        for line in self.process.stderr:
            self.said.append(line)
            found = re.search(r"serving http://127\.0\.0\.1:(\d+)", line)
            if found:
                self.port = int(found[1])
                break

    def ask(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        connection.request(method, path, None if body is None else json.dumps(body), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        if answer.status != 200:
            raise AssertionError(f"{method} {path}: {answer.status} {text[:500]}")
        return json.loads(text)

    def stop(self):
        self.process.terminate()
        self.said += self.process.stderr.readlines()
        return self.process.wait(120)


class Mirror:
    """The tables as they should be, here and in DuckDB."""

    def __init__(self, seeded):
        self.random, self.rows = seeded, {name: {} for name in COUNTS}
        self.connection = duckdb.connect(config={"threads": 1})
        self.connection.execute("SET TimeZone = 'UTC'")
        for name in COUNTS:
            columns = ", ".join(f"{column} {'BIGINT[]' if kind.startswith('ARRAY') else kind}" for column, kind in COLUMNS.items())
            self.connection.execute(f"CREATE TABLE {name} (id BIGINT, {columns})")

    def change(self):
        """A change: the table, the method, the body."""
        one = self.random.choice
        name = one(["t", "t", "t", "u", "u", "w", "z"])
        held, pool = self.rows[name], 60 if name == "t" else 20
        made = lambda count: [{"id": self.random.randrange(pool), **row} for row in rows(list(COUNTS).index(name), count, self.random)]
        method = one(["POST"] * 5 + ["DELETE"] * 3 + ["PATCH", "PUT"])
        body = made(self.random.randint(1, 20))
        if method == "PUT":
            body = made(self.random.randint(0, 30))
            held.clear()
        if method == "DELETE":
            body = [{"id": self.random.randrange(pool)} for _ in range(self.random.randint(1, 12))]
        if method == "PATCH":
            body = [{"id": row["id"], **{column: row[column] for column in self.random.sample(["k", "s", "i", "f", "b", "m"], 2)}} for row in body]
        # No two rows of one time, also of those that are there.
        times = {row["ts"] for key, row in held.items()}
        body = [row for row in {row["id"]: row for row in body}.values() if row.get("ts") not in times]
        for row in body:
            if method == "DELETE":
                held.pop(row["id"], None)
            elif method != "PATCH":
                held[row["id"]] = row
            elif row["id"] in held:
                held[row["id"]] = {**held[row["id"]], **row}
        self.connection.execute(f"DELETE FROM {name}")
        values = [[value.rstrip("Z") if key in ("ts", "y") and value else value for key, value in row.items()] for row in held.values()]
        if values:
            self.connection.executemany(f"INSERT INTO {name} VALUES ({', '.join('?' * len(values[0]))})", values)
        return name, method, body

    def answer(self, query):
        result = self.connection.execute(query)
        names = [column[0] for column in result.description]
        return collections.Counter(plain(dict(zip(names, row))) for row in result.fetchall())


class Proof:
    def __init__(self, given):
        self.given, self.random = given, random.Random(given.seed)
        self.makers = [maker(given.seed * 10 + n) for n, maker in enumerate(MAKERS)]
        self.views, self.looks, self.apart, self.refused, self.unknown = 0, 0, 0, 0, 0

    def drawn(self):
        some = []
        while len(some) < 5:
            query = self.random.choice(self.makers).next()
            if query.kind not in TIMELY:
                some.append(query)
        return some

    def program(self, queries):
        columns = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
        text = "".join(f"CREATE TABLE {name} (id BIGINT PRIMARY KEY NOT ENFORCED, {columns});\n" for name in COUNTS)
        ends = []
        for n, query in enumerate(queries):
            text += f"CREATE MATERIALIZED VIEW v{n} AS\n{' '.join(query.ours.split())};\n"
            ends.append(text.count("\n"))
        with open("p.sql", "w", encoding="utf-8") as file:
            file.write(text)
        return ends

    def run(self):
        queries = self.drawn()
        ends = self.program(queries)
        checked = subprocess.run([self.given.binary, "check", "p.sql"], capture_output=True, text=True, timeout=600)
        wrong = {ends.index(int(line)) for line in re.findall(r"^p\.sql:(\d+):\d+: error", checked.stderr, re.M)}
        self.refused += len(wrong)
        queries = [query for n, query in enumerate(queries) if n not in wrong]
        self.program(queries)
        workers = self.random.choice("123")
        server, mirror, done = Server(self.given.binary, workers), Mirror(self.random), []
        try:
            self.views += len(queries)
            for _ in range(self.given.steps):
                name, method, body = mirror.change()
                at = server.ask(method, f"/api/v1/tables/{name}/rows", body)["epoch"]
                done.append((method, name, body))
                self.look(server, mirror, queries, f"-w {workers}, after {len(done)} requests, the last {method} {name} at {at}")
        except (AssertionError, OSError) as error:
            self.differs(f"-w {workers}, after {len(done)} requests: {error}")
        finally:
            code = server.stop()
        if code != 0:
            self.differs(f"-w {workers}: code {code}: {''.join(server.said[-5:])}")

    def look(self, server, mirror, queries, how):
        together = server.ask("GET", "/api/v1/rows?limit=100000")
        found = {view["view"]: collections.Counter(plain({key: value for key, value in row.items() if not key.startswith("_")}) for row in view["rows"]) for view in together["views"]}
        for n, query in enumerate(queries):
            try:
                wanted = mirror.answer(query.theirs)
                failing = 0 if query.failed == NONE_FAILS else int(dict(next(iter(mirror.answer(query.failed)))).popitem()[1])
            except duckdb.Error:
                self.unknown += 1
                continue
            self.looks += 1
            if differ(found[f"v{n}"], wanted):
                apart = (f"\n  {word}: {row} x{some[row]}" for word, some in (("missing", wanted - found[f"v{n}"]), ("extra", found[f"v{n}"] - wanted)) for row in list(some)[:3])
                raise AssertionError(f"{query.kind}, {how}, as of {together['as_of']['epoch']}: {query.ours}{''.join(apart)}")
            failed = server.ask("GET", f"/api/v1/views/v{n}/dead-letters")["total"]
            if failed != failing:
                raise AssertionError(f"{query.kind}, {how}: {query.ours}\n  {failed} dead letters, {failing} rows fail")

    def differs(self, what):
        self.apart += 1
        print(f"DIFFERS ({self.apart}): {what}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("--programs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--steps", type=int, default=15, help="requests a program")
    given = parser.parse_args()
    given.binary = os.path.abspath(given.binary)
    proof = Proof(given)
    with tempfile.TemporaryDirectory() as place:
        os.chdir(place)
        for _ in range(given.programs):
            proof.run()
        os.chdir("/")
    print(f"seed {given.seed}: {given.programs} programs, {proof.views} views looked at {proof.looks} times, {proof.apart} differ, {proof.refused} refused, {proof.unknown} not taken by DuckDB")
    sys.exit(1 if proof.apart else 0)


if __name__ == "__main__":
    main()
