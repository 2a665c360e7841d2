"""Kills one or both of two processes at random moments, with a data directory each, and starts them again:
`python3 tests/kills/cluster.py BINARY [--kills 300] [--seed S] [--pieces windows,joins]`.

A process that is left waits for the one that is gone (`--restart-wait`). Clients push rows with keys of deduplication to either, and
send again to either whatever was not answered. In the end what was acknowledged is in, once; what was given up is in wholly or not at
all; readers of both, which followed all views by the id of their last event, have what the views have; and views, dead letters and
sinks' files equal those of two processes that nobody has killed and that were given the bodies that are in.
"""

import argparse
import json
import math
import os
import random
import shutil
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from engine import PATIENCE, Engine, Keeper, Reader, Sender, free_port
from kills import Seen, bodies_in, difference, every_epoch, folders, letters, settle, shown, wait_until
from programs import PIECES, Edge, Rows, names, program, views
from written import read, same_bytes

PROCESSES = (0, 1)
SOURCES = ("clicks", "orders")


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("binary")
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    parser.add_argument("--pieces", default=",".join(piece for piece in PIECES if piece != "formats"))
    parser.add_argument("--keep", help="a folder that is kept")
    args = parser.parse_args()
    args.binary = os.path.abspath(args.binary)
    return args


class Cluster:
    """Two processes in one folder."""

    def __init__(self, args, folder, data):
        with open(f"{folder}/hosts", "w") as hosts:
            hosts.writelines(f"127.0.0.1:{free_port()}\n" for _ in PROCESSES)
        of = lambda number: ["-w", "1", "-n", "2", "-p", str(number), "--hostfile", "hosts", "--peer-timeout", "3 s", *(["--restart-wait", "60 s"] if data else [])]
        self.folder = folder
        self.engines = [Engine(args.binary, folder, of(number), data=data, name=str(number)) for number in PROCESSES]

    def start(self, which=PROCESSES):
        for number in which:
            self.engines[number].start()

    def serve(self):
        for engine in self.engines:
            wait_until(lambda: f"all serve\n{''.join(other.tail() for other in self.engines)}", engine.ready, engine)

    def stop(self):
        # The first to stop tells the other, which would wait for it.
        for engine in self.engines:
            engine.kill()

    def rows(self, view):
        """The rows of a view, which both show."""
        told = [sorted(map(shown, engine.rows(view))) for engine in self.engines]
        difference(f"view {view} of the second process beside the first", told[1], told[0])
        return told[0]

    def letters(self, of):
        told = [letters(engine, of) for engine in self.engines]
        return sum(total for total, _ in told), sorted(letter for _, last in told for letter in last)


def killed(args, folder, text, chance, running):
    cluster = Cluster(args, folder, data=True)
    running.extend(cluster.engines)
    senders = []
    for number, engine in enumerate(cluster.engines):
        for source in SOURCES:
            rows = Rows(source, random.Random(f"{args.seed} {source} {number}"), process=number)
            senders.append(Sender(engine, source, rows, random.Random(f"{args.seed} {source} {number} sends")))
    for sender in senders:
        # A start of two takes longer: what waits has to fit into what streams keep to be resumed.
        sender.engines, sender.hurry = cluster.engines, sender.pause
    readers, seen = [Reader(engine, views(text)) for engine in cluster.engines], Seen(folder)
    keepers = [Keeper(cluster.engines[0], random.Random(f"{args.seed} users"))] if "CREATE TABLE users" in text else []
    cluster.start()
    cluster.serve()
    for thread in (*senders, *keepers, *readers):
        thread.start()
    early, took = 0, 1.0
    for number in range(args.kills):
        begun = time.monotonic()
        if chance.random() < 0.3:
            # While they greet each other, recover, or one waits for the other.
            time.sleep(chance.random() * took * 1.2)
            early += not all(engine.ready() for engine in cluster.engines)
        else:
            cluster.serve()
            took = 0.8 * took + 0.2 * (time.monotonic() - begun)
            time.sleep(min(2.0, chance.expovariate(1 / 0.25)))
        for thread in (*senders, *keepers, *readers):
            if thread.wrong:
                raise thread.wrong
        which = chance.choice(((0,), (1,), (0, 1)))
        for one in which:
            cluster.engines[one].kill()
        seen.look()
        time.sleep(chance.choice((0, 0, chance.random() * 0.3)))
        cluster.start(which)
        if number % 50 == 49:
            print(f"{number + 1} kills, {sum(len(sender.sent) for sender in senders)} bodies, starts take {took:.2f} s", flush=True)
    for thread in (*senders, *keepers):
        thread.ends.set()
    for thread in (*senders, *keepers):
        thread.join(PATIENCE)
        assert not thread.is_alive(), f"nobody answers\n{thread.engine.tail()}"
        if thread.wrong:
            raise thread.wrong
    cluster.serve()
    finish(senders)
    for sender in senders:
        for asked, token in sender.tokens:
            assert asked.get(f"/api/v1/completion/{token}")["complete"], f"the token {token} of before is not complete"
    for reader in readers:
        lacking = lambda: [view for view in reader.views if not reader.holds(view, reader.engine.rows(view))]
        wait_until(lambda: f"the reader has the rows of {lacking()}", lambda: reader.wrong or not lacking(), reader.engine)
        if reader.wrong:
            raise reader.wrong
        assert reader.resets == 0, f"{reader.resets} resets: {reader.reset_reasons[:3]}"
    return cluster, senders, keepers, readers, early, seen


def finish(senders):
    """Closes everything, and waits until it shows: a view shows no source further than the others that it reads are, so all go to one time."""
    now = max(sender.rows.now for sender in senders)
    for sender in senders:
        sender.rows.now = now
        sender.send(sender.rows.last(), False)
    for sender in senders:
        settle(sender.engine, [sender])


def compared(args, text, cluster, senders, keepers, plain):
    """Holds the processes that were killed against those that were not."""
    for keeper in keepers:
        found = {row["id"]: {name: row[name] for name in ("id", "plan_name", "score")} for row in keeper.engine.get("/api/v1/tables/users/rows")["rows"]}
        assert found == keeper.rows, f"the table has {found}, it was given {keeper.rows}"
        answer = plain.engines[0].ask("POST", "/api/v1/tables/users/rows", json.dumps(list(keeper.rows.values())))
        assert answer and answer[0] == 200, answer
    unknown, given = set(), []
    for number, sender in enumerate(senders):
        with open(f"{cluster.folder}/out/taken_{sender.source}.ndjson") as lines:
            taken = [json.loads(line)["id"] for line in lines]
        process = number // len(SOURCES)
        taken = [id for id in taken if id // 1_000_000_000 == process]
        came, expected, unclear = bodies_in(sender, set(taken), Edge(sender.source, within=math.inf))
        if unclear:
            unknown.add(sender.source)
        what = f"{sender.source} of process {process}"
        twice = len(taken) - len(set(taken))
        assert twice == 0, f"{what}: {twice} rows are in twice"
        lost = set(expected) - set(taken)
        assert not lost, f"{what}: {len(lost)} rows are lost that were acknowledged, or parts of bodies, as {sorted(lost)[:5]}"
        more = set(taken) - set(expected)
        assert not more, f"{what}: {len(more)} rows are in that should not be, as {sorted(more)[:5]}"
        given.append([body for body, is_in in came if is_in])
    # In turn, so that no partition holds the others up for long.
    for turn in range(max(map(len, given))):
        for number, sender in enumerate(senders):
            if turn >= len(given[number]):
                continue
            engine, answer = plain.engines[number // len(SOURCES)], (429, None)
            while answer and answer[0] == 429:
                answer = engine.ask("POST", f"/api/v1/sources/{sender.source}/events", json.dumps(given[number][turn]))
            assert answer and answer[0] in (202, 422), answer
            sender.token = answer[1]["token"]
    for number, sender in enumerate(senders):
        settle(plain.engines[number // len(SOURCES)], [sender])
    for view in views(text):
        difference("view " + view, *(of.rows(view) for of in (cluster, plain)))
    for source in set(SOURCES) - unknown:
        (total, last), (expected, others) = (of.letters(f"sources/{source}") for of in (cluster, plain))
        # Only the last of many are kept.
        if max(total, expected) <= 1000:
            difference(f"dead letters of {source}", last, others)
    for view in views(text):
        (total, last), (expected, others) = (of.letters(f"views/{view}") for of in (cluster, plain))
        assert total == expected, f"{view}: {total} dead letters, without a kill {expected}"
        difference(f"dead letters of {view}", last, others)
    for of in (cluster, plain):
        of.stop()
    for view in ("total", "pairs") if "VIEW pairs" in text else ():
        every_epoch(cluster, view)
    for sink in names(text, "CREATE SINK"):
        difference("sink " + sink, *(read(args.binary, of.folder, text, sink) for of in (cluster, plain)))


def again(args, cluster):
    """A replay of both logs writes the same bytes, and a start that brings nothing new changes no file."""
    command = [args.binary, "replay", "data0", "data1", "-w", "3", "--out", "again"]
    replayed = subprocess.run(command, cwd=cluster.folder, capture_output=True, text=True)
    assert replayed.returncode == 0, f"it cannot be replayed: {replayed.stderr[-2000:]}"
    wrong = same_bytes(cluster.folder, f"{cluster.folder}/again")
    assert not wrong, f"a replay wrote other bytes: {wrong}"
    was = f"{cluster.folder}-was"
    shutil.copytree(f"{cluster.folder}/out", f"{was}/out")
    cluster.start()
    cluster.serve()
    cluster.stop()
    wrong = same_bytes(cluster.folder, was)
    assert not wrong, f"a start that brings nothing new changed files: {wrong}"


def main():
    args = arguments()
    print(f"seed {args.seed}, pieces {args.pieces}", flush=True)
    chance, text = random.Random(args.seed), program(args.pieces.split(","), cluster=True)
    with folders(args, text) as (above, running):
        begun = time.monotonic()
        cluster, senders, keepers, readers, early, seen = killed(args, f"{above}/killed", text, chance, running)
        plain = Cluster(args, f"{above}/plain", data=False)
        running.extend(plain.engines)
        plain.start()
        plain.serve()
        compared(args, text, cluster, senders, keepers, plain)
        seen.look()
        again(args, cluster)
        rows = sum(len(body) for sender in senders for body in sender.sent)
        unsure = sum(not sure for sender in senders for sure in sender.sure)
        print(
            f"ok: {args.kills} kills ({early} of them before both served) in {time.monotonic() - begun:.0f} s; {rows} rows, {sum(sender.again for sender in senders)} bodies sent again, {unsure} given up; "
            f"{sum(reader.events for reader in readers)} events of {len(readers[0].views)} views, resumed {sum(reader.resumed for reader in readers)} times, without a reset"
        )


if __name__ == "__main__":
    main()
