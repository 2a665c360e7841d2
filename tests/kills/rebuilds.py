"""Kills starts that write a log anew for a program that has changed: `python3 tests/kills/rebuilds.py BINARY [--kills 20] [--seed S]`.

Whenever it is killed the directory is that of the one program or of the other, whole; in the end the changed program has done again all
rows that came, sinks that are as they were have their bytes and only grew, and the log as it was is put aside, once.
"""

import argparse
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from engine import Engine
from kills import Seen, wait_until

SOURCE = """
CREATE SOURCE rows (id BIGINT, k INT, text VARCHAR) WITH ('connector' = 'http', 'format' = 'json');
CREATE SINK kept WITH ('connector' = 'filesystem', 'path' = 'out/kept.ndjson', 'format' = 'json') AS SELECT id FROM rows;
CREATE SINK rolled WITH ('connector' = 'filesystem', 'path' = 'out/rolled/', 'format' = 'parquet', 'sink.rolling-policy.file-size' = '2 kB') AS SELECT id, k FROM rows;
"""
PROGRAMS = [
    SOURCE + f"CREATE MATERIALIZED VIEW counted AS SELECT {what} AS n, COUNT(*) AS many FROM rows;\n"
    for what in ("SUM(id)", "MAX(id)", "SUM(id + k)")
]


def answers(rows, number):
    return {"n": [sum(id for id, _ in rows), max(id for id, _ in rows), sum(id + k for id, k in rows)][number], "many": len(rows)}


def half_done(folder):
    """Folders of a log that is half written, or half put in its place."""
    return [name for name in os.listdir(f"{folder}/data") if re.match("rebuilt|before.part", name)]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binary")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    args = parser.parse_args()
    binary, chance = os.path.abspath(args.binary), random.Random(args.seed)
    folder = tempfile.mkdtemp(prefix="rebuilds")
    engine, rows, seen, number = Engine(binary, folder, ["-w", "1", "--on-change", "rebuild"]), [], Seen(folder), 0
    killed, within, took, changes = 0, 0, 1.0, 0
    try:
        while True:
            with open(f"{folder}/p.sql", "w") as program:
                program.write(PROGRAMS[number])
            begun = time.monotonic()
            engine.start()
            if changes and killed < args.kills and chance.random() < 0.8:
                until = begun + took
                if chance.random() < 0.6:
                    # Within what is done to the log.
                    while time.monotonic() < until and not half_done(folder) and engine.lives():
                        time.sleep(0.0002)
                    time.sleep(chance.random() * 0.015)
                else:
                    time.sleep(chance.random() * took)
                engine.kill()
                killed += 1
                # What is half written, or half put in its place.
                within += bool(half_done(folder))
                seen.look()
                continue
            wait_until("it serves", engine.ready, engine, every=0.01)
            if changes:
                took = time.monotonic() - begun
            aside = [name for name in os.listdir(f"{folder}/data") if re.fullmatch("before-[0-9]+", name)]
            assert len(aside) == changes, f"{changes} changes, and put aside are {aside}"
            left = half_done(folder)
            assert not left, f"{left} are left"
            if rows:
                found = [{name: row[name] for name in ("n", "many")} for row in engine.rows("counted")]
                assert found == [answers(rows, number)], f"{found}, expected {answers(rows, number)}"
            if killed >= args.kills:
                break
            for _ in range(60 if not rows else 5):
                more = [(len(rows) + n, chance.randrange(9)) for n in range(200)]
                body = "".join(json.dumps({"id": id, "k": k, "text": "x" * 400}) + "\n" for id, k in more)
                answer = engine.ask("POST", "/api/v1/sources/rows/events?ack=visible", body, "application/x-ndjson")
                assert answer and answer[0] == 202, answer
                rows += more
            engine.kill()
            seen.look()
            verified = subprocess.run([binary, "data", "verify", "data"], cwd=folder, capture_output=True, text=True)
            assert verified.returncode == 0, verified.stderr
            number, changes = (number + 1) % len(PROGRAMS), changes + 1
        engine.stop()
        seen.look()
        with open(f"{folder}/out/kept.ndjson") as kept:
            assert [json.loads(line)["id"] for line in kept] == [id for id, _ in rows], "the sink that is as it was"
        with open(f"{folder}/read.sql", "w") as program:
            program.write(
                "CREATE SOURCE s (id BIGINT, k INT) WITH ('connector' = 'filesystem', 'path' = 'out/rolled/', 'format' = 'parquet');\n"
                "CREATE SINK t WITH ('connector' = 'filesystem', 'path' = 'read.ndjson', 'format' = 'json') AS SELECT * FROM s;\n"
            )
        read = subprocess.run([binary, "run", "read.sql", "--no-serve", "--exit-at-end"], cwd=folder, capture_output=True, text=True)
        assert read.returncode == 0, read.stderr
        with open(f"{folder}/read.ndjson") as found:
            assert sorted((row["id"], row["k"]) for row in map(json.loads, found)) == rows, "rows of Parquet"
        assert within or args.kills < 10, "it was never killed within a rebuild"
        print(f"ok: {killed} kills, {within} of them within a rebuild, over {changes} changes of the program; {len(rows)} rows", flush=True)
        shutil.rmtree(folder, ignore_errors=True)
    except BaseException:
        print(f"seed {args.seed}; what is left stands in {folder}\n{engine.tail()}", file=sys.stderr)
        raise
    finally:
        if engine.process and engine.lives():
            engine.process.kill()


if __name__ == "__main__":
    main()
