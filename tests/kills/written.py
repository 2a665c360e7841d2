"""What sinks have written, read again by the engine itself, whatever the format: rows as sorted lines of JSON, netted where they come and go."""

import collections
import json
import os
import re
import subprocess
import tempfile


def read(binary, folder, text, sink):
    statement = next(line for line in text.splitlines() if line.startswith(f"CREATE SINK {sink} "))
    path, form = (re.search(f"'{option}' = '([^']*)'", statement).group(1) for option in ("path", "format"))
    files = []
    for above, _, names in os.walk(f"{folder}/{path}"):
        files += [os.path.join(above, name) for name in names]
    files = files or [f"{folder}/{path}"]
    rows = collections.Counter()
    for file in sorted(files):
        partition = dict(re.findall("([a-z_]+)=([^/]*)/", os.path.relpath(file, folder)))
        for row in of_file(binary, file, form):
            row |= partition
            sign = -1 if row.pop("_op", "insert") == "retract" else 1
            row.pop("_epoch", None)
            rows[json.dumps(row, sort_keys=True)] += sign
    assert all(count >= 0 for count in rows.values()), f"{sink}: rows are taken back that are not there"
    return sorted(rows.elements())


def of_file(binary, file, form):
    with open(file, "rb") as opened:
        bytes = opened.read()
    if form == "json":
        return [json.loads(line) for line in bytes.decode().splitlines()]
    if form == "csv":
        lines = bytes.decode().splitlines()
        return [dict(zip(lines[0].split(","), line.split(","))) for line in lines[1:]]
    columns = "window_end TIMESTAMP(3), n BIGINT, total BIGINT"
    if "user_id=" not in file:
        columns = "user_id VARCHAR, " + columns
    with tempfile.TemporaryDirectory() as folder:
        with open(f"{folder}/p.sql", "w") as program:
            program.write(
                f"CREATE SOURCE s ({columns}) WITH ('connector' = 'filesystem', 'path' = '{file}', 'format' = '{form}');\n"
                "CREATE SINK t WITH ('connector' = 'filesystem', 'path' = 'out.ndjson', 'format' = 'json') AS SELECT * FROM s;\n"
            )
        run = subprocess.run([binary, "run", "p.sql", "--no-serve", "--exit-at-end"], cwd=folder, capture_output=True, text=True)
        assert run.returncode == 0, f"{file}: {run.stderr}"
        with open(f"{folder}/out.ndjson") as written:
            return [json.loads(line) for line in written]


def same_bytes(one, other):
    """Files below `out` that are not the same in both folders."""
    def files(folder):
        found = {}
        for above, _, names in os.walk(f"{folder}/out"):
            for name in names:
                with open(os.path.join(above, name), "rb") as file:
                    found[os.path.relpath(os.path.join(above, name), folder)] = file.read()
        return found

    one, other = files(one), files(other)
    return sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))
