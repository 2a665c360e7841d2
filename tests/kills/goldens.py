"""Every golden dataflow over its files, killed at random moments and started again until it ends by itself: what it has written is what
is expected, byte for byte. `python3 tests/kills/goldens.py BINARY [--seed S] [--kills 3] [NAME...]`."""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

GOLDEN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../golden")


def files(folder):
    found = {}
    for above, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(above, name)
            with open(path, "rb") as file:
                found[os.path.relpath(path, folder)] = file.read()
    return found


def run(binary, place, args):
    with open(f"{place}/said", "ab") as said:
        args = [binary, "run", "dataflow.sql", "--exit-at-end", "--no-serve", "--data-dir", "data", *args]
        return subprocess.Popen(args, cwd=place, stdin=subprocess.DEVNULL, stdout=said, stderr=said)


def golden(binary, name, kills, chance):
    """What is wrong; nothing if all is as expected, and why if the directory is not for it."""
    directory = f"{GOLDEN}/{name}"
    if not os.path.isdir(f"{directory}/expected"):
        return None
    place = tempfile.mkdtemp(prefix="golden")
    try:
        shutil.copytree(directory, place, dirs_exist_ok=True, ignore=shutil.ignore_patterns("expected", "oracle"))
        os.makedirs(f"{place}/out", exist_ok=True)
        extra = open(f"{directory}/args.txt").read().split() if os.path.exists(f"{directory}/args.txt") else []
        took, code = 0.3, None
        for _ in range(kills):
            child, began = run(binary, place, [*extra, "-w", str(chance.choice((1, 2)))]), time.monotonic()
            try:
                code = child.wait(chance.random() * took)
                took = time.monotonic() - began
                if code == 0:
                    # It had ended. The next start has nothing to do, and writes the same.
                    continue
                break
            except subprocess.TimeoutExpired:
                child.send_signal(signal.SIGKILL)
                child.wait()
        else:
            code = run(binary, place, [*extra, "-w", "1"]).wait(60)
        said = open(f"{place}/said", errors="replace").read()
        if code != 0:
            return f"code {code}: {said[-600:]}"
        expected, found = files(f"{directory}/expected"), files(f"{place}/out")
        wrong = sorted(file for file in expected.keys() | found.keys() if expected.get(file) != found.get(file))
        return f"other bytes: {wrong}" if wrong else None
    finally:
        shutil.rmtree(place, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binary")
    parser.add_argument("names", nargs="*")
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    args = parser.parse_intermixed_args()
    chance, binary = random.Random(args.seed), os.path.abspath(args.binary)
    names = args.names or sorted(os.listdir(GOLDEN))
    wrong = {name: why for name in names if (why := golden(binary, name, args.kills, chance))}
    for name, why in wrong.items():
        print(f"{name}: {why}")
    print(f"seed {args.seed}: {len(names)} directories, {args.kills} kills each, {len(wrong)} wrong")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
