"""Random programs, run by highwater and by DuckDB on the same rows.

    random_queries.py BINARY [--programs N] [--seed N] [--kinds NAME,...] [--looks N] [--keep FOLDER]
                      [--operators own|differential] [--jobs N] [--kills N]

It works in a folder that is gone afterwards. A program has one to four queries with a sink each, at one, two or three workers and
epochs of some length. What a sink wrote is folded, and compared as a multiset: at the end, and of a query whose changes are shown
as they come (EMIT CHANGES) at epochs in between, where it must be DuckDB's answer of exactly the rows that had come: the
batches of each source that are before or at the epoch. The dead letters of a sink must be as many as DuckDB finds failing rows, at
the same epochs; of most queries none; and say what failed on which row (letters.py). Rows come out of order, and are all accepted.

Of rankings without an order that tells all rows apart the answer is not DuckDB's: such a program is run at one, two and three workers,
which must write the same bytes, and at two lengths of epochs, which must come to the same rows.

With `--kills` each run is killed at random moments and started again from a data directory until it ends by itself: all that is
compared is as if nobody had killed it.

A query that highwater refuses is counted, by the reason, if DuckDB takes it; the others of its program are run without it.
The run fails if an answer differs, or if more than 3 % of what DuckDB takes is refused. `--keep` keeps the programs that differ.
"""

import argparse
import collections
import concurrent.futures
import json
import multiprocessing
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time

import duckdb
import letters as letters_of
from compare import all_alike, plain
from correlated import Correlated
from failing import Failing
from guarded import Guarded
from pairs import Pairs
from programs import Programs
from queries import NONE_FAILS, Queries, Query
from several import Several
from tables import LATE, TICK_ROWS, Tables
from tied import Repeated, Tied
from timed import Timed
from values import Values

# How many of seventeen programs are of each kind.
KINDS = {"plain": (Queries, 3), "correlated": (Correlated, 2), "values": (Values, 2), "failing": (Failing, 1), "pairs": (Pairs, 1), "views": (Programs, 2), "tied": (Tied, 1), "repeated": (Repeated, 1), "timed": (Timed, 2), "several": (Several, 1), "guarded": (Guarded, 1)}
# How many programs a process tries.
PIECE = 500
# What may be refused of what DuckDB takes.
REFUSED = 0.03


def differ(found, wanted):
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


def lines_of(path):
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def done(command, seconds):
    return subprocess.run(command, capture_output=True, text=True, timeout=seconds)


class Proof:
    """What was run, and what came of it."""

    def __init__(self, given):
        self.given, self.tables, self.random = given, Tables(), random.Random(given.seed)
        names = given.kinds.split(",") if given.kinds else list(KINDS)
        self.makers = [KINDS[name][0](given.seed * 10 + n) for n, name in enumerate(KINDS)]
        self.weights = [weight if name in names else 0 for name, (_, weight) in KINDS.items()]
        self.programs, self.apart, self.looks = 0, 0, 0
        # Kills, and how long a run takes.
        self.kills, self.took = 0, 0.1
        self.agreed, self.unknown, self.reasons, self.examples = collections.Counter(), collections.Counter(), collections.Counter(), {}
        self.started = time.monotonic()

    def drawn(self):
        """The queries of a program."""
        maker = self.random.choices(self.makers, self.weights)[0]
        some = [maker.next()]
        # Several in one program share what they read.
        more = maker.left if isinstance(maker, Programs) else self.random.choice([0, 0, 1, 3])
        return some + [maker.next() for _ in range(more)]

    def write(self, queries, changes, late):
        """Writes the program; answers the last line of each query."""
        operators = f"SET 'operators' = '{self.given.operators}';\n" if self.given.operators else ""
        text = operators + self.tables.declared[late]
        for view in queries[0].views:
            text += f"CREATE {self.random.choice(['', 'MATERIALIZED '])}VIEW {view.name} AS {view.ours};\n"
        ends = []
        for n, (query, emits) in enumerate(zip(queries, changes)):
            ours = " ".join(query.ours.split())
            options = f"'connector' = 'filesystem', 'path' = 'o{n}.ndjson', 'format' = 'json'"
            text += f"CREATE SINK o{n} WITH ({options}) AS\n{ours}{' EMIT CHANGES' if emits else ''};\n"
            ends.append(text.count("\n"))
        with open("q.sql", "w", encoding="utf-8") as file:
            file.write(text)
        return ends

    def repeat(self, queries):
        """Runs a program at several numbers of workers and lengths of epochs."""
        late = self.random.choice(list(LATE))
        changes, folded = [query.changes and self.random.random() < 0.6 for query in queries], {}
        for tick_rows in self.random.sample(TICK_ROWS, 2):
            written = {}
            for workers in "123":
                how = f"-w {workers} --tick-rows {tick_rows}, {late}"
                queries, changes, ran = self.ran(queries, changes, late, workers, tick_rows)
                if not queries:
                    return
                if ran.returncode != 0:
                    return self.differs(f"{how}: code {ran.returncode}: {ran.stderr[-1500:]}")
                for n, query in enumerate(queries):
                    with open(f"o{n}.ndjson", "rb") as file:
                        bytes_, (first, other) = file.read(), written.setdefault(n, (None, how))
                    if first is None:
                        written[n] = bytes_, how
                        last = [state for _, state in state_at(lines_of(f"o{n}.ndjson"), [None], False)][-1]
                        state, before = folded.setdefault(n, (last, how))
                        if state != last:
                            return self.differs(f"{query.kind}, {before} and {how}: {query.ours}\n  {list((state - last).items())[:2]}, {list((last - state).items())[:2]}")
                    elif first != bytes_:
                        return self.differs(f"{query.kind}, {other} and {how} are not the same bytes: {query.ours}")
        for query in queries:
            self.agreed[query.kind] += 1

    def run(self, queries):
        if isinstance(queries[0], Query) and not queries[0].theirs:
            return self.repeat(queries)
        workers, tick_rows = self.random.choice("123"), self.random.choice(TICK_ROWS)
        # A version is certain only where no row is late, and so is where a time stands that is computed.
        late = "final" if any("FOR SYSTEM_TIME" in query.ours or " AS moved " in query.ours for query in queries) else self.random.choice(list(LATE))
        changes = [query.changes and self.random.random() < 0.6 for query in queries]
        at, how = (late, tick_rows), f"-w {workers} --tick-rows {tick_rows}, {late}"
        queries, changes, ran = self.ran(queries, changes, late, workers, tick_rows)
        if not queries:
            return
        if ran.returncode != 0:
            return self.differs(f"{how}: code {ran.returncode}: {ran.stderr[-1500:]}")
        letters = lines_of("dead.ndjson")
        for n, (query, emits) in enumerate(zip(queries, changes)):
            self.compare(n, query, emits, [letter for letter in letters if letter.get("sink") == f"o{n}"], how, at)

    def ran(self, queries, changes, late, workers, tick_rows):
        """Runs what is not refused: those queries, how they tell changes, and what came of it."""
        at = late, tick_rows
        command = [self.given.binary, "run", "q.sql", "-w", workers, "--tick-rows", str(tick_rows), "--exit-at-end", "--no-serve", "--dead-letters", "dead.ndjson"]
        while queries:
            ends = self.write(queries, changes, late)
            for file in [f"o{n}.ndjson" for n in range(len(queries))] + ["dead.ndjson"]:
                if os.path.exists(file):
                    os.remove(file)
            try:
                ran = self.killed(command) if self.given.kills else done(command, 600)
            except subprocess.TimeoutExpired:
                self.differs(f"-w {workers} --tick-rows {tick_rows}, {late}: it does not end")
                return [], [], None
            if ran.returncode != 2:
                break
            places = re.findall(r"^q\.sql:(\d+):\d+: error: (.*)$", ran.stderr, re.M)
            wrong = {n: reason for line, reason in places for n, end in enumerate(ends) if int(line) == end}
            if len(wrong) < len(places) or not places:
                # A view is refused, and all with it.
                first = places[0][1] if places else ran.stderr.strip().split("\n")[-1]
                wrong = {n: first for n in range(len(queries))}
            for n, reason in wrong.items():
                self.refused(queries[n], reason, at)
            changes = [emits for n, emits in enumerate(changes) if n not in wrong]
            queries = [query for n, query in enumerate(queries) if n not in wrong]
        else:
            return [], [], None
        return queries, changes, ran

    def killed(self, command):
        """Runs it to its end, killed at random moments and started again at any number of workers, from a data directory."""
        shutil.rmtree("data", ignore_errors=True)
        for _ in range(self.random.randint(1, self.given.kills)):
            command[command.index("-w") + 1] = self.random.choice("123")
            try:
                ran = done([*command, "--data-dir", "data"], self.random.random() * self.took)
                # What has ended has nothing more to do.
                if ran.returncode != 0:
                    return ran
            except subprocess.TimeoutExpired:
                self.kills += 1
        began = time.monotonic()
        ran = done([*command, "--data-dir", "data"], 600)
        self.took = (self.took + time.monotonic() - began) / 2
        return ran

    def refused(self, query, reason, at):
        try:
            if query.theirs:
                self.tables.answer(query.theirs, at, self.tables.epochs[at][-1], query.views)
        except duckdb.Error:
            self.unknown["refused by both"] += 1
            return
        reason = re.sub(r"\d+", "0", re.sub(r"'[^']*'", "'..'", reason))
        self.reasons[reason] += 1
        self.examples.setdefault(reason, query.ours)

    def compare(self, n, query, emits, letters, how, at):
        written, epochs = lines_of(f"o{n}.ndjson"), self.tables.epochs[at]
        told = emits and bool(written) and "_epoch" in written[0]
        timed = all("epoch" in letter for letter in letters)
        marks = sorted({*epochs, *(change["_epoch"] for change in written)}) if told else epochs[-1:]
        looks = {*marks[:: max(1, len(marks) // self.given.looks)], marks[-1]}
        if query.views and at[0] == "final":
            # A view without EMIT CHANGES shows what is final, so it is behind.
            looks = {marks[-1]}
        for mark, found in state_at(written, marks, told):
            if mark not in looks:
                continue
            self.looks += 1
            try:
                wanted = self.tables.answer(query.theirs, at, mark, query.views)
                failing = self.failing(query, at, mark)
            except duckdb.Error as error:
                kind = re.sub(r"\d+", "0", str(error).split("\n")[0])[:90]
                self.unknown[f"not taken by DuckDB: {kind}"] += 1
                self.examples.setdefault(kind, query.theirs)
                return
            failed = sum(letter["count"] for letter in letters if mark == marks[-1] or not timed or letter["epoch"] <= mark)
            what = f"{query.kind}, {how}, {'EMIT CHANGES' if emits else 'EMIT FINAL'}: {query.ours}\n  at {mark}"
            if differ(found, wanted):
                apart = (f"\n  {word}: {row} x{some[row]}" for word, some in (("missing", wanted - found), ("extra", found - wanted)) for row in list(some)[:3])
                return self.differs(f"{what}{''.join(apart)}\n  theirs: {query.theirs}")
            if failed != failing and (timed or mark == marks[-1]):
                shown = "".join(f"\n  letter: {letter['count']} {letter['expression']}: {letter['detail']}: {letter['content']}" for letter in letters[:4])
                return self.differs(f"{what}: {failed} dead letters, {failing} rows fail\n  theirs: {query.failed}{shown}")
            if mark == marks[-1] and query.told and query.failed != NONE_FAILS:
                count = lambda asked: self.count(asked, query, at, mark)
                for letter in letters:
                    if reason := letters_of.wrong(query, letter, count):
                        return self.differs(f"{what}: {reason}\n  letter: {letter['count']} {letter['expression']}: {letter['detail']}: {letter['content']}")
        self.agreed[query.kind] += 1

    def failing(self, query, at, mark):
        if query.failed == NONE_FAILS:
            return 0
        return self.count(query.failed, query, at, mark)

    def count(self, asked, query, at, mark):
        ((_, count),) = next(iter(self.tables.answer(asked, at, mark, query.views)))
        return int(count)

    def differs(self, what):
        self.apart += 1
        print(f"DIFFERS ({self.apart}): {what}", flush=True)
        if self.given.keep:
            os.makedirs(self.given.keep, exist_ok=True)
            shutil.copy("q.sql", os.path.join(self.given.keep, f"{self.given.seed}-{self.apart}.sql"))

    def add(self, other):
        for mine, more in ((self.agreed, other.agreed), (self.reasons, other.reasons), (self.unknown, other.unknown)):
            mine.update(more)
        self.examples = {**other.examples, **self.examples}
        self.programs, self.looks, self.apart = self.programs + other.programs, self.looks + other.looks, self.apart + other.apart
        self.kills += other.kills

    def report(self):
        agreed, refused = sum(self.agreed.values()), sum(self.reasons.values())
        taken = agreed + refused + self.apart
        print(f"seed {self.given.seed}: {self.programs} programs in {time.monotonic() - self.started:.0f} s, {agreed + refused + self.apart} queries that DuckDB takes: "
              f"{agreed} agree ({len(self.agreed)} kinds, looked at {self.looks} times), {self.apart} differ, {refused} are refused ({100 * refused / max(1, taken):.1f} %)")
        if self.given.kills:
            print(f"  killed {self.kills} times")
        for reason, count in self.reasons.most_common():
            print(f"  refused {count}: {reason}\n    {self.examples[reason]}")
        for what, count in self.unknown.most_common():
            example = self.examples.get(what.split(": ", 1)[-1])
            print(f"  {what}: {count}" + (f"\n    {example}" if example else ""))
        sys.stdout.flush()
        return self.apart == 0 and refused <= REFUSED * taken


def tried(given, after=lambda proof: None):
    """What came of the programs of a seed."""
    with tempfile.TemporaryDirectory() as place:
        os.chdir(place)
        proof = Proof(given)
        while proof.programs < given.programs:
            proof.run(proof.drawn())
            proof.programs += 1
            after(proof)
        os.chdir("/")
    return proof


def piece(given):
    proof = tried(given)
    proof.tables = proof.makers = None
    return proof


def together(given):
    """Tries programs in several processes, those of a seed in each; whether all is right."""
    starts = range(0, given.programs, PIECE)
    pieces = [argparse.Namespace(**{**vars(given), "seed": given.seed * 1000 + n, "programs": min(PIECE, given.programs - start)}) for n, start in enumerate(starts)]
    all_ = None
    spawn = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(given.jobs, spawn, max_tasks_per_child=1) as pool:
        for done in concurrent.futures.as_completed([pool.submit(piece, part) for part in pieces]):
            proof = done.result()
            if all_ is None:
                all_, all_.given = proof, given
            else:
                all_.add(proof)
            if all_.programs % 1000 == 0 or all_.programs == given.programs:
                right = all_.report()
    return right


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("--programs", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kinds", help=", ".join(KINDS))
    parser.add_argument("--looks", type=int, default=8, help="epochs that are looked at, of each query")
    parser.add_argument("--operators", help="own, or differential: what operators run on")
    parser.add_argument("--kills", type=int, default=0, help="kill each run up to so often, and start it again from a data directory")
    parser.add_argument("--keep", help="a folder for programs that differ")
    parser.add_argument("--jobs", type=int, default=1, help=f"processes that try programs, {PIECE} of a seed each")
    given = parser.parse_args()
    given.binary = os.path.abspath(given.binary)
    given.keep = given.keep and os.path.abspath(given.keep)
    if given.jobs == 1:
        right = tried(given, lambda proof: proof.programs % 1000 == 0 and proof.report()).report()
    else:
        right = together(given)
    sys.exit(0 if right else 1)


if __name__ == "__main__":
    main()
