"""Compares what highwater's sinks wrote with DuckDB's batch answer on the same input.

    compare.py goldens FOLDER               every FOLDER/*/oracle/NAME.sql against FOLDER/*/expected/NAME.ndjson
    compare.py results FOLDER ORACLES       every ORACLES/NAME.sql, run in FOLDER, against FOLDER/out/NAME.ndjson
    compare.py tables FOLDER ORACLES        the same for FOLDER/out/NAME.parquet, over all FOLDER/input/*.parquet as tables;
                                            all in DuckDB, so for millions of rows

A result that takes rows back (`_op`) is folded first: what is compared is the final state, as a multiset of rows by column
name. An oracle may begin with directives:

    -- accepted: TABLE = FILE..., TIME, BOUND_MS, LATENESS_MS    the rows of NDJSON files that the edge accepts (W1, L1)
    -- rows: TABLE = FILE                                        all rows of an NDJSON file
    -- ignored: COLUMN                                           a column of ours that is not compared
"""

import collections
import datetime
import decimal
import json
import math
import os
import re
import sys

import duckdb

EPOCH = datetime.datetime(1970, 1, 1)


def milliseconds(text):
    time = datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).replace(tzinfo=None)
    return (time - EPOCH) // datetime.timedelta(milliseconds=1)


def accepted(files, column, bound, lateness):
    """The edge, restated: each file has its own watermark; a row is accepted if it is not behind it by more than that."""
    for file in files:
        watermark = None
        for line in open(file, encoding="utf-8"):
            if not line.strip():
                continue
            row = json.loads(line)
            time = milliseconds(row[column])
            if watermark is None or time >= watermark - lateness:
                yield row
            watermark = time - bound if watermark is None else max(watermark, time - bound)


def load(connection, name, rows, typed):
    path = f"{name}.rows.tmp"
    with open(path, "w", encoding="utf-8") as out:
        for position, row in enumerate(rows):
            out.write(json.dumps({**row, "position": position}) + "\n")
    # An empty file tells no types: then they are those of the goldens.
    columns = "{'user': 'VARCHAR', 'page': 'VARCHAR', 'ms': 'DOUBLE', 'ts': 'TIMESTAMP', 'position': 'BIGINT'}"
    types = f", columns = {columns}" if typed and os.path.getsize(path) == 0 else ""
    reader = f"read_json('{path}', format = 'newline_delimited'{types})"
    connection.execute(f'CREATE TABLE "{name}" AS SELECT * FROM {reader}')
    for column, kind in connection.execute(f'SELECT column_name, column_type FROM (DESCRIBE "{name}")').fetchall():
        if kind == "TIMESTAMP WITH TIME ZONE":
            connection.execute(f'ALTER TABLE "{name}" ALTER "{column}" TYPE TIMESTAMP')
    os.remove(path)


def plain(value):
    """A value such that equal results are equal values; floats agree to 12 digits. NULL fields are left out."""
    if isinstance(value, bool):
        return value
    if isinstance(value, datetime.datetime):
        return value.isoformat(timespec="milliseconds") + "Z"
    if isinstance(value, datetime.time):
        return value.isoformat("milliseconds" if value.microsecond else "seconds")
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        # As JSON says it.
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, (int, float, decimal.Decimal)):
        return f"{float(value):.12g}" if abs(value) < 2**53 and not float(value).is_integer() else str(int(value))
    if isinstance(value, dict):
        return tuple(sorted((key, plain(inner)) for key, inner in value.items() if inner is not None))
    if isinstance(value, (list, tuple)):
        return tuple(plain(inner) for inner in value)
    return value


def alike(a, b):
    """Whether two values are the same, or numbers that 12 digits show apart only because they lie at the edge between two."""
    if isinstance(a, tuple) and isinstance(b, tuple):
        return len(a) == len(b) and all(map(alike, a, b))
    try:
        return a == b or abs(float(a) - float(b)) <= 1e-11 * abs(float(a))
    except (TypeError, ValueError):
        return False


def all_alike(missing, extra):
    """Whether rows of one answer and rows of the other are alike, each with one, in their order."""
    return len(missing) == len(extra) and all(map(alike, missing, extra))


def written(path, ignored=()):
    """The final state of a sink file."""
    state = collections.Counter()
    for line in open(path, encoding="utf-8"):
        row = json.loads(line)
        sign = {"insert": 1, "retract": -1}[row.pop("_op", "insert")]
        row.pop("_epoch", None)
        row = plain({name: value for name, value in row.items() if name not in ignored})
        state[row] += sign
        if state[row] < 0:
            raise AssertionError(f"{path}: takes back a row that is not there: {row}")
        if state[row] == 0:
            del state[row]
    return state


def answered(sql):
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    for name, files, column, bound, lateness in re.findall(
        r"-- accepted: (\w+) = (.+?), (\w+), (\d+), (\d+)\n", sql
    ):
        load(connection, name, accepted(files.split(), column, int(bound), int(lateness)), True)
    for name, file in re.findall(r"-- rows: (\w+) = (\S+)\n", sql):
        load(connection, name, (json.loads(line) for line in open(file, encoding="utf-8")), False)
    result = connection.execute(sql)
    names = [column[0] for column in result.description]
    return collections.Counter(plain(dict(zip(names, row))) for row in result.fetchall())


def compare(label, folder, oracle, result):
    here = os.getcwd()
    os.chdir(folder)
    try:
        sql = open(oracle, encoding="utf-8").read()
        expected, found = answered(sql), written(result, re.findall(r"-- ignored: (\w+)\n", sql))
    finally:
        os.chdir(here)
    missing, extra = expected - found, found - expected
    if all_alike(*(sorted(rows.elements(), key=str) for rows in (missing, extra))):
        print(f"{label}: {sum(found.values())} rows agree")
        return True
    print(f"{label}: DIFFERS: {sum(missing.values())} rows of DuckDB's are missing, {sum(extra.values())} are not DuckDB's")
    for word, rows in (("missing", missing), ("extra", extra)):
        for row in sorted(map(str, rows))[:5]:
            print(f"  {word}: {row}")
    return False


def compare_tables(folder, oracles):
    """Both answers stay in DuckDB: floats agree to 12 digits, rows as multisets."""
    os.chdir(folder)
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    for file in sorted(os.listdir("input")):
        connection.execute(f"CREATE TABLE \"{file.removesuffix('.parquet')}\" AS SELECT * FROM 'input/{file}'")
    agree = []
    for file in sorted(os.listdir(oracles)):
        name = file.removesuffix(".sql")
        sql = open(os.path.join(oracles, file), encoding="utf-8").read()
        connection.execute(f"CREATE OR REPLACE TEMP TABLE expected AS {sql}")
        connection.execute(f"CREATE OR REPLACE TEMP TABLE changes AS SELECT * FROM 'out/{name}.parquet'")
        columns = connection.execute("SELECT column_name, column_type FROM (DESCRIBE expected)").fetchall()
        shown = ", ".join(
            f"printf('%.12g', \"{column}\"::DOUBLE) AS \"{column}\"" if kind in ("DOUBLE", "HUGEINT") or kind.startswith("DECIMAL") else f'"{column}"'
            for column, kind in columns
        )
        found = f"SELECT {shown} FROM changes"
        if connection.execute("SELECT count(*) FROM (DESCRIBE changes) WHERE column_name = '_op'").fetchone()[0]:
            found = f"""SELECT * EXCLUDE (times) FROM (
                SELECT * EXCLUDE (sign), sum(sign) AS times FROM (
                    SELECT {shown}, CASE _op WHEN 'insert' THEN 1 ELSE -1 END AS sign FROM changes) GROUP BY ALL) WHERE times > 0"""
        connection.execute(f"CREATE OR REPLACE TEMP TABLE found AS {found}")
        connection.execute(f"CREATE OR REPLACE TEMP TABLE wanted AS SELECT {shown} FROM expected")
        missing, extra = (
            connection.execute(f"SELECT * FROM ({query}) ORDER BY ALL LIMIT 10000").fetchall()
            for query in ("FROM wanted EXCEPT ALL FROM found", "FROM found EXCEPT ALL FROM wanted")
        )
        rows = connection.execute("SELECT count(*) FROM found").fetchone()[0]
        agree.append(len(missing) < 10000 and all_alike(missing, extra) and rows > 0)
        if agree[-1]:
            print(f"{name}: {rows} rows agree")
        else:
            print(f"{name}: DIFFERS: {len(missing)} rows of DuckDB's are missing, {len(extra)} of {rows} are not DuckDB's")
            for word, rows in (("missing", missing), ("extra", extra)):
                for row in rows[:3]:
                    print(f"  {word}: {row}")
    return agree


def main():
    what, folder = sys.argv[1], os.path.abspath(sys.argv[2])
    pairs = []
    if what == "goldens":
        for name in sorted(os.listdir(folder)):
            oracles = os.path.join(folder, name, "oracle")
            for file in sorted(os.listdir(oracles)) if os.path.isdir(oracles) else []:
                result = f"expected/{file.removesuffix('.sql')}.ndjson"
                pairs.append((f"{name}/{file}", os.path.join(folder, name), os.path.join(oracles, file), result))
    elif what == "tables":
        sys.exit(0 if all(compare_tables(folder, os.path.abspath(sys.argv[3]))) else 1)
    else:
        oracles = os.path.abspath(sys.argv[3])
        for file in sorted(os.listdir(oracles)):
            pairs.append((file, folder, os.path.join(oracles, file), f"out/{file.removesuffix('.sql')}.ndjson"))
    agree = [compare(*pair) for pair in pairs]
    if not agree:
        print("nothing to compare")
    sys.exit(0 if agree and all(agree) else 1)


if __name__ == "__main__":
    main()
