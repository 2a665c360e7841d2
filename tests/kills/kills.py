"""Kills a run at random moments and starts it again: `python3 tests/kills/kills.py BINARY [--kills 1000] [--seed S] [--pieces windows,joins]`.

Clients push rows with keys of deduplication and send again whatever was not answered; a reader follows all views by the id of its last
event. In the end what was acknowledged is in, once, nothing else is, and views, sinks' files and dead letters equal those of a run of
the same bodies that nobody has killed. A replay of the data directory gives the same files again, byte for byte.
"""

import argparse
import contextlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from engine import PATIENCE, Engine, Keeper, Reader, Sender
from programs import PIECES, Edge, Rows, consistent, names, program, views
from written import read, same_bytes


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("binary")
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    parser.add_argument("--pieces", default=",".join(PIECES))
    parser.add_argument("--workers", type=int, default=1, help="0 draws another number at each start, for which no sink may be a folder")
    parser.add_argument("--behind", action="store_true", help="more is sent than the workers have room for: it waits in the log")
    parser.add_argument("--snapshots", action="store_true", help="snapshots as often as can be and short files of the log, so that nearly every start goes on from one; no replay, for the log is shortened")
    parser.add_argument("--keep", help="a folder that is kept")
    parser.add_argument("--no-data", action="store_true", help="without a data directory and without kills: tries the test itself")
    args = parser.parse_args()
    args.binary = os.path.abspath(args.binary)
    return args


OFTEN = "SET 'snapshot.interval' = '150 ms'; SET 'log.segment' = '128 KiB'; SET 'log.retention' = 'recovery';\n"


def newest(folder):
    return max((name for name in os.listdir(f"{folder}/data") if name.startswith("snapshot-")), default="")


def from_snapshots(engine):
    """How many starts went on from a snapshot, which most do, and how often the log was shortened."""
    with open(engine.path, errors="replace") as said:
        lines = said.readlines()
    restored, removed = (sum(what in line for line in lines) for what in ("goes on from the snapshot", "removed, which no snapshot needs"))
    assert restored * 2 > engine.starts - 4, f"{restored} of {engine.starts} starts went on from a snapshot\n{engine.tail()}"
    return restored, removed


class Seen:
    """What files held when they were looked at. Files of rows only grow; one of Parquet is complete, and stays as it is, but that one that is
    no folder's is replaced by a longer one."""

    def __init__(self, folder):
        self.folder, self.files = folder, {}

    def look(self):
        for above, _, files in os.walk(f"{self.folder}/out"):
            for name in files:
                # What is not complete is hidden.
                path = os.path.join(above, name)
                if name.startswith("_"):
                    continue
                with open(path, "rb") as file:
                    bytes = file.read()
                before = self.files.get(path, b"")
                if name.endswith(".parquet"):
                    whole = bytes[-4:] == b"PAR1" and (before in (b"", bytes) or not name.startswith("part-"))
                    assert whole, f"{path}: it had {len(before)} bytes, and has {len(bytes)}"
                assert bytes.startswith(before) or name.endswith(".parquet"), (
                    f"{path}: what a reader had seen has changed: {len(before)} bytes, now {len(bytes)}, "
                    f"alike up to {len(os.path.commonprefix([before, bytes]))}"
                )
                self.files[path] = bytes
        gone = [path for path in self.files if not os.path.exists(path)]
        assert not gone, f"{gone[:3]} are gone"


def wait_until(what, holds, engine, every=0.05):
    until = time.monotonic() + PATIENCE
    while not holds():
        assert engine.lives(), f"it has ended by itself:\n{engine.tail()}"
        assert time.monotonic() < until, f"not within {PATIENCE} s: {what() if callable(what) else what}\n{engine.tail()}"
        time.sleep(every)


def killed(args, folder, text, chance, running):
    """The run that is killed. Its engine, its senders, its reader, and how often it was killed before it served."""
    engine = Engine(args.binary, folder, ["-w", str(args.workers or 1)], data=not args.no_data)
    running.append(engine)
    sizes = {"sizes": (10, 40, 80)} if args.behind else {}
    senders = [Sender(engine, name, Rows(name, random.Random(f"{args.seed} {name}"), **sizes), random.Random(f"{args.seed} {name} sends")) for name in ("clicks", "orders")]
    for sender in senders:
        sender.bursts = args.behind
    reader, seen = Reader(engine, views(text)), Seen(folder)
    keepers = [Keeper(engine, random.Random(f"{args.seed} users"))] if "CREATE TABLE users" in text else []
    threads = [*senders, *keepers, *([reader] if reader.views else [])]
    engine.start()
    wait_until("it serves", engine.ready, engine)
    for thread in threads:
        thread.start()
    early, started, took = 0, time.monotonic(), 0.2
    for number in range(args.kills):
        if chance.random() < 0.3:
            # While it recovers.
            time.sleep(chance.random() * took * 1.2)
            early += not engine.ready()
        else:
            wait_until("it serves", engine.ready, engine, every=0.01)
            took = 0.8 * took + 0.2 * (time.monotonic() - started)
            # Or while it decides on what was pushed meanwhile.
            time.sleep(chance.random() * 0.03 if chance.random() < 0.25 else min(2.0, chance.expovariate(1 / 0.25)))
            if args.snapshots and chance.random() < 0.6:
                snapshots, until = newest(folder), time.monotonic() + 5
                while newest(folder) == snapshots and time.monotonic() < until:
                    time.sleep(0.005)
                # While the log is shortened, or then.
                time.sleep(chance.random() * 0.2)
            before, until = sum(sender.over for sender in senders), time.monotonic() + 5
            while args.behind and sum(sender.over for sender in senders) == before and time.monotonic() < until:
                time.sleep(0.005)
        for thread in threads:
            if thread.wrong:
                raise thread.wrong
        if args.no_data:
            time.sleep(0.2)
            continue
        engine.kill()
        seen.look()
        if chance.random() < 0.05:
            inspect(args, folder)
        started = time.monotonic()
        if not args.workers:
            engine.args[1] = str(chance.choice((1, 2, 3)))
        engine.start()
        if chance.random() < 0.05:
            backup(args, folder, number)
        if number % 50 == 49:
            bodies = sum(len(sender.sent) for sender in senders)
            print(f"{number + 1} kills, {bodies} bodies, {sum(sender.again for sender in senders)} sent again, starts take {took:.2f} s", flush=True)
    for thread in [*senders, *keepers]:
        thread.ends.set()
    for thread in [*senders, *keepers]:
        thread.join(PATIENCE)
        assert not thread.is_alive(), f"nobody answers\n{engine.tail()}"
        if thread.wrong:
            raise thread.wrong
    for sender in senders:
        sender.send(sender.rows.last(), False)
    settle(engine, senders)
    for sender in senders:
        for asked, token in sender.tokens:
            assert asked.get(f"/api/v1/completion/{token}")["complete"], f"the token {token} of before is not complete"
    for keeper in keepers:
        found = {row["id"]: {name: row[name] for name in ("id", "plan_name", "score")} for row in engine.get("/api/v1/tables/users/rows")["rows"]}
        assert found == keeper.rows, f"the table has {found}, it was given {keeper.rows}"
    lacking = lambda: [view for view in reader.views if not reader.holds(view, engine.rows(view))]
    wait_until(lambda: f"the reader has the rows of {lacking()}", lambda: reader.wrong or not lacking(), engine)
    if reader.wrong:
        raise reader.wrong
    assert reader.resets == 0 or args.no_data, f"{reader.resets} resets: {reader.reset_reasons[:3]}"
    return engine, senders, keepers, reader, early, seen


def settle(engine, senders):
    for sender in senders:
        wait_until(f"all of {sender.source} is through", lambda: (engine.ask("GET", f"/api/v1/completion/{sender.token}") or (0, {}))[1].get("complete"), engine)


def inspect(args, folder):
    verified = subprocess.run([args.binary, "data", "verify", "data"], cwd=folder, capture_output=True, text=True)
    assert verified.returncode == 0, f"after a kill: {verified.stderr}"


def backup(args, folder, number):
    made = subprocess.run([args.binary, "data", "backup", "data", f"copy{number}"], cwd=folder, capture_output=True, text=True)
    assert made.returncode == 0, f"while it starts: {made.stderr}"
    verified = subprocess.run([args.binary, "data", "verify", f"copy{number}"], cwd=folder, capture_output=True, text=True)
    assert verified.returncode == 0, f"of a copy: {verified.stderr}"
    shutil.rmtree(f"{folder}/copy{number}")


def bodies_in(sender, taken, edge=None):
    """The bodies that came in, of those that were given up too; each wholly or not at all. The rows of which that makes, and whether it
    is not known of some body."""
    edge, came, expected, unknown = edge or Edge(sender.source), [], [], False
    for body, sure in zip(sender.sent, sender.sure):
        if not sure and not any(row["id"] in taken for row in body):
            # All of it may have been late; then it changes nothing but the dead letters.
            unknown |= not edge.copy().takes(body)
            came.append((body, False))
            continue
        expected += edge.takes(body)
        came.append((body, True))
    return came, expected, unknown


def compared(args, text, engine, senders, keepers, plain):
    """Holds a run that was killed against one that was not."""
    for keeper in keepers:
        answer = plain.ask("POST", "/api/v1/tables/users/rows", json.dumps(list(keeper.rows.values())))
        assert answer and answer[0] == 200, answer
    unknown = []
    for sender in senders:
        path = f"out/taken_{sender.source}.ndjson"
        taken = [json.loads(line)["id"] for line in open(f"{engine.folder}/{path}")]
        came, expected, unclear = bodies_in(sender, set(taken))
        if unclear:
            unknown.append(sender.source)
        twice = len(taken) - len(set(taken))
        assert twice == 0, f"{sender.source}: {twice} rows are in twice"
        lost = set(expected) - set(taken)
        assert not lost, f"{sender.source}: {len(lost)} rows are lost that were acknowledged, or parts of bodies, as {sorted(lost)[:5]}"
        more = set(taken) - set(expected)
        assert not more, f"{sender.source}: {len(more)} rows are in that should not be, as {sorted(more)[:5]}"
        if args.workers == 1:
            assert taken == expected, f"{sender.source}: the order has changed"
        for body, is_in in came:
            if is_in:
                answer = (429, None)
                while answer and answer[0] == 429:
                    answer = plain.ask("POST", f"/api/v1/sources/{sender.source}/events", json.dumps(body))
                assert answer and answer[0] in (202, 422), answer
                sender.token = answer[1]["token"]
    settle(plain, senders)
    for view in views(text):
        difference("view " + view, *(sorted(map(shown, of.rows(view))) for of in (engine, plain)))
    for sender in senders:
        if sender.source not in unknown:
            (total, last), (expected, others) = (letters(of, f"sources/{sender.source}") for of in (engine, plain))
            # A row that is too late is so again when it is sent again. Only the last of many are kept.
            if max(total, expected) <= 1000:
                difference(f"dead letters of {sender.source}", sorted(set(last)), sorted(set(others)))
    for view in views(text):
        (total, last), (expected, others) = (letters(of, f"views/{view}") for of in (engine, plain))
        assert total == expected, f"{view}: {total} dead letters, without a kill {expected}"
        difference(f"dead letters of {view}", last, others)
    for of in (engine, plain):
        of.stop()
    for view in ("total", "pairs") if "VIEW pairs" in text else ():
        every_epoch(engine, view)
    for sink in names(text, "CREATE SINK"):
        difference("sink " + sink, *(read(args.binary, of.folder, text, sink) for of in (engine, plain)))


def every_epoch(engine, view):
    """All that a sink has told is consistent, epoch by epoch: nothing in between is told, so it is so row by row."""
    epochs = 0
    with open(f"{engine.folder}/out/{view}.ndjson") as written:
        for line in written:
            row = json.loads(line)
            epochs += row["_op"] == "insert"
            assert consistent(view, row), f"{view}: at {row['_epoch']} it told {row}"
    assert epochs > 10, f"{view}: there are {epochs} rows"


def shown(row):
    """A row as any run shows it: whether one came before its window closed, and how often it changed, depends on the epochs."""
    status = "open" if row["_status"] == "open" else "final"
    return json.dumps({k: v for k, v in row.items() if k != "_version"} | {"_status": status}, sort_keys=True)


def letters(engine, of):
    """How many dead letters there are, and the last of them."""
    told = engine.get(f"/api/v1/{of}/dead-letters?limit=1000")
    # Where a row stood, and how late it was, depends on what was sent again.
    return told["total"], sorted(json.dumps([letter["reason"], letter["content"]]) for letter in told["dead_letters"])


def difference(what, found, expected):
    if found == expected:
        return
    lacks = [row for row in expected if row not in set(found)][:3]
    more = [row for row in found if row not in set(expected)][:3]
    raise AssertionError(f"{what}: {len(found)} rows, without a kill {len(expected)}; lacks {lacks}; has besides {more}")


def replayed(args, engine):
    """A replay of the log writes the same bytes."""
    replayed = subprocess.run([args.binary, "replay", "data", "-w", str(args.workers or 4), "--out", "again"], cwd=engine.folder, capture_output=True, text=True)
    assert replayed.returncode == 0, f"it cannot be replayed: {replayed.stderr[-2000:]}"
    wrong = same_bytes(engine.folder, f"{engine.folder}/again")
    assert not wrong, f"a replay wrote other bytes: {wrong}"


def again(args, text, engine):
    """A copy of the whole folder goes on with the same bytes."""
    folder = tempfile.mkdtemp(prefix="again", dir=os.path.dirname(engine.folder))
    with open(f"{folder}/p.sql", "w") as file:
        file.write(text)
    shutil.copytree(f"{engine.folder}/out", f"{folder}/out")
    subprocess.run([args.binary, "data", "backup", "data", f"{folder}/data"], cwd=engine.folder, check=True, stdout=subprocess.DEVNULL)
    other = Engine(args.binary, folder, ["-w", str(args.workers or 4)])
    other.start()
    wait_until("the copy serves", other.ready, other)
    other.stop()
    wrong = same_bytes(engine.folder, folder)
    assert not wrong, f"a start that brings nothing new changed files: {wrong}"
    return other


@contextlib.contextmanager
def folders(args, text):
    """A folder above those of the run that is killed and of the one that is not, with the program in each, and a list for the engines
    that run there, which end with it. What is wrong stands there still."""
    above, running = args.keep or tempfile.mkdtemp(prefix="kills"), []
    for name in ("killed", "plain"):
        os.makedirs(f"{above}/{name}")
        with open(f"{above}/{name}/p.sql", "w") as file:
            file.write(text)
    try:
        yield above, running
    except BaseException:
        print(f"seed {args.seed}; what is left stands in {above}", file=sys.stderr)
        args.keep = above
        raise
    finally:
        for of in running:
            if of.process and of.lives():
                of.process.kill()
        if not args.keep:
            shutil.rmtree(above, ignore_errors=True)


def main():
    args = arguments()
    print(f"seed {args.seed}, pieces {args.pieces}", flush=True)
    chance, text = random.Random(args.seed), program(args.pieces.split(","), behind=args.behind)
    if args.snapshots:
        text = OFTEN + text
    with folders(args, text) as (above, running):
        begun = time.monotonic()
        engine, senders, keepers, reader, early, seen = killed(args, f"{above}/killed", text, chance, running)
        plain = Engine(args.binary, f"{above}/plain", ["-w", str(args.workers or 2)], data=False)
        running.append(plain)
        plain.start()
        wait_until("it serves", plain.ready, plain)
        compared(args, text, engine, senders, keepers, plain)
        seen.look()
        if not args.no_data and not args.snapshots:
            replayed(args, engine)
        if not args.no_data:
            running.append(again(args, text, engine))
        restored, removed = from_snapshots(engine) if args.snapshots else (0, 0)
        over = sum(sender.over for sender in senders)
        assert over or not args.behind, "there was always room for what was sent"
        rows = sum(len(body) for sender in senders for body in sender.sent)
        unsure = sum(not sure for sender in senders for sure in sender.sure)
        print(
            f"ok: {args.kills} kills ({early} of them before it served) in {time.monotonic() - begun:.0f} s; {rows} rows, {sum(s.again for s in senders)} bodies sent again, {sum(s.later for s in senders) - over} taken while it started, {over} for which there was no room, "
            f"{unsure} given up; {reader.events} events of {len(reader.views)} views, resumed {reader.resumed} times, {reader.resets} resets"
            + (f"; {restored} of {engine.starts} starts went on from a snapshot, the log was shortened {removed} times" if args.snapshots else "")
        )


if __name__ == "__main__":
    main()
