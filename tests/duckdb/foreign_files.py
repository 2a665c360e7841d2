"""Files that pandas, pyarrow, DuckDB and others write, of rows with awkward content, and whether they were read as the same rows, or
refused where they are no rows.

    foreign_files.py write FOLDER SEED    writes the files, what they hold, and FOLDER/program.sql: a source and a sink a file
    foreign_files.py compare FOLDER       compares FOLDER/out/NAME.ndjson with what NAME holds
    foreign_files.py refuse FOLDER HIGHWATER    runs HIGHWATER over the files that cannot be read
"""
import base64
import bz2
import datetime
import decimal
import gzip
import json
import math
import os
import random
import subprocess
import sys
import uuid

import duckdb
import numpy
import pandas
import pyarrow
import pyarrow.feather
import pyarrow.parquet

ROWS = 300
TEXTS = [
    "", "a", "a,b", "a;b", 'say "x"', '"', '""', "two\nlines", "cr\r\nlf", " space ", "tab\tbed", "null", "NULL", "né€", "it's",
    "back\\slash", "\\N", "#no comment", "1", "true", "2024-01-01", "=1+1", "x" * 300,
]
LATIN = [text for text in TEXTS if "€" not in text]
COLUMNS = "id INT, t VARCHAR, d DECIMAL(12, 3), f DOUBLE, b BOOLEAN, day DATE, ts TIMESTAMP(3)"
EPOCH = datetime.datetime(1970, 1, 1)


def rows(draw, texts):
    """Rows as Python has them; NULLs in every column but the first."""
    def some(value):
        return None if draw.random() < 0.15 else value
    made = []
    for number in range(ROWS):
        day = datetime.date(1960, 1, 1) + datetime.timedelta(days=draw.randrange(40_000))
        ms = draw.randrange(-10**12, 2 * 10**12)
        made.append({
            "id": number,
            "t": some(draw.choice(texts)),
            "d": some(decimal.Decimal(draw.randrange(-10**11, 10**11)).scaleb(-3)),
            "f": some(draw.choice([0.1, -2.5e-7, 1e300, 3.0, draw.uniform(-1e6, 1e6)])),
            "b": some(draw.random() < 0.5),
            "day": some(day),
            "ts": some(EPOCH + datetime.timedelta(milliseconds=ms)),
        })
    return made


def shown(row):
    """A row as the sink writes it."""
    def value(name, given):
        if given is None:
            return None
        if name == "ts":
            return given.isoformat(timespec="milliseconds") + "Z"
        if name == "day":
            return given.isoformat()
        if isinstance(given, dict):
            return {name: value(name, inner) for name, inner in given.items()}
        return given
    return {name: value(name, given) for name, given in row.items()}


def same(expected, found):
    if isinstance(expected, dict) and isinstance(found, dict):
        return expected.keys() == found.keys() and all(same(expected[name], found[name]) for name in expected)
    if isinstance(expected, list) and isinstance(found, list):
        return len(expected) == len(found) and all(map(same, expected, found))
    if isinstance(expected, float) and isinstance(found, (int, float, decimal.Decimal)):
        return math.isclose(expected, float(found), rel_tol=1e-15)
    if isinstance(expected, decimal.Decimal) and isinstance(found, (int, decimal.Decimal)):
        return expected == found
    return type(expected) is type(found) and expected == found or (expected is None and found is None)


class Files:
    def __init__(self, folder, seed):
        self.folder, self.draw, self.held, self.program, self.refused = folder, random.Random(seed), {}, [], {}

    def add(self, name, path, held, options="", columns=COLUMNS):
        self.held[name] = [shown(row) for row in held]
        given = f"'connector' = 'filesystem', 'path' = '{path}'{', ' if options else ''}{options}"
        self.program.append(f"CREATE SOURCE {name} ({columns}) WITH ({given});")
        out = f"'connector' = 'filesystem', 'path' = 'out/{name}.ndjson', 'format' = 'json'"
        self.program.append(f"CREATE SINK {name}_out WITH ({out}) AS SELECT * FROM {name};\n")

    def at(self, name):
        return os.path.join(self.folder, name)

    def csv_of_pandas(self, name, options, texts=TEXTS, empty_is_null=True, **how):
        held = rows(self.draw, texts)
        frame = pandas.DataFrame([{name: text(value) for name, value in row.items()} for row in held], dtype=object)
        if how.get("decimal") == ",":
            frame["d"] = frame["d"].map(lambda d: d.replace(".", ",") if d else d)
            frame["f"] = frame["f"].map(lambda f: f.replace(".", ",") if f else f)
        frame.to_csv(self.at(f"{name}.csv"), index=False, **{key: value for key, value in how.items() if key != "decimal"})
        if empty_is_null:
            held = [{**row, "t": row["t"] or None} for row in held]
        else:
            # In quotes it is text, also what stands for NULL.
            held = [{**row, "t": how["na_rep"] if row["t"] is None else row["t"]} for row in held]
        self.add(name, f"{name}.csv", held, options)

    def write(self):
        os.makedirs(self.at("out"), exist_ok=True)
        self.csv_of_pandas("pandas_plain", "")
        self.csv_of_pandas("pandas_crlf", "", lineterminator="\r\n")
        self.csv_of_pandas("pandas_quoted", "'csv.null-literal' = '~'", quoting=2, na_rep="~", empty_is_null=False)
        self.csv_of_pandas(
            "pandas_european", "'csv.field-delimiter' = ';', 'csv.decimal-separator' = ',', 'csv.encoding' = 'ISO-8859-1'",
            texts=LATIN, sep=";", decimal=",", encoding="latin-1")
        self.csv_of_pandas(
            "pandas_escaped", "'csv.escape-character' = '\\', 'csv.quote-character' = ''''",
            escapechar="\\", doublequote=False, quotechar="'")
        self.csv_of_pandas("pandas_utf16", "", encoding="utf-16")
        self.csv_of_pandas("pandas_bom", "", encoding="utf-8-sig")
        self.csv_of_pandas("pandas_tabs", "'csv.field-delimiter' = '\\t'", sep="\t")
        self.of_duckdb()
        self.of_pyarrow()
        self.of_types()
        self.of_uuids()
        self.of_intervals()
        self.of_ends()
        self.of_packings()
        self.of_lines()
        self.of_packed_text()
        self.refusals()
        with open(self.at("program.sql"), "w", encoding="utf-8") as file:
            file.write("\n".join(self.program))
        with open(self.at("refused.json"), "w", encoding="utf-8") as file:
            json.dump(self.refused, file)
        with open(self.at("held.json"), "w", encoding="utf-8") as file:
            json.dump(self.held, file, default=lambda value: {"decimal": str(value)})

    def of_duckdb(self):
        base = duckdb.connect()
        types = "id INTEGER, t VARCHAR, d DECIMAL(12, 3), f DOUBLE, b BOOLEAN, day DATE, ts TIMESTAMP"
        for name, copy, options in [
            ("duckdb_csv", "FORMAT csv, HEADER", ""),
            ("duckdb_forced", "FORMAT csv, HEADER, FORCE_QUOTE *, NULLSTR '~'", "'csv.null-literal' = '~'"),
            ("duckdb_bare", "FORMAT csv, HEADER false, DELIMITER '|'", "'csv.header' = 'false', 'csv.field-delimiter' = '|'"),
            ("duckdb_parquet", "FORMAT parquet", ""),
            ("duckdb_json", "FORMAT json", ""),
        ]:
            held = rows(self.draw, TEXTS)
            base.execute(f"CREATE OR REPLACE TABLE held ({types})")
            base.executemany("INSERT INTO held VALUES (?, ?, ?, ?, ?, ?, ?)", [list(row.values()) for row in held])
            kind = copy.split()[1].strip(",")
            path = f"{name}.{'ndjson' if kind == 'json' else kind}"
            base.execute(f"COPY (FROM held ORDER BY id) TO '{self.at(path)}' ({copy})")
            self.add(name, path, held, options)

    def of_pyarrow(self):
        for name, unit, text in [("pyarrow_us", "us", pyarrow.large_string()), ("pyarrow_ns", "ns", pyarrow.string()), ("pyarrow_s", "s", pyarrow.string())]:
            held = rows(self.draw, TEXTS)
            if unit == "s":
                held = [{**row, "ts": row["ts"] and row["ts"].replace(microsecond=0)} for row in held]
            kinds = {"id": pyarrow.int64(), "t": text, "d": pyarrow.decimal128(20, 3), "f": pyarrow.float64(), "b": pyarrow.bool_(),
                     "day": pyarrow.date32(), "ts": pyarrow.timestamp(unit)}
            columns = {key: pyarrow.array([row[key] for row in held], kinds[key]) for key in reversed(list(kinds))}
            columns["t"] = columns["t"].dictionary_encode() if name == "pyarrow_ns" else columns["t"]
            columns["surplus"] = pyarrow.nulls(len(held))
            table = pyarrow.table(columns)
            pyarrow.parquet.write_table(table, self.at(f"{name}.parquet"), row_group_size=70, compression="snappy")
            self.add(name, f"{name}.parquet", held)
            pyarrow.feather.write_feather(table, self.at(f"{name}.arrow"), compression="uncompressed")
            self.add(f"{name}_arrow", f"{name}.arrow", held)
        self.nested()

    def nested(self):
        """Rows in another order of members, lists, integers as times, a column of NULLs, columns that are not there."""
        held, found = [], []
        for number in range(ROWS):
            place = None if number % 7 == 0 else {"lat": number, "lon": number + 0.5}
            held.append({"id": number, "place": place, "list": [number, None][: number % 3], "none": None, "gone": None,
                         "ts": EPOCH + datetime.timedelta(seconds=1_700_000_000 + number)})
            found.append({"id": number, "place": place, "list": [number, None][: number % 3], "none": None, "ts": 1_700_000_000 + number})
        place = pyarrow.struct([("lon", pyarrow.float64()), ("more", pyarrow.string()), ("lat", pyarrow.int64())])
        kinds = {"id": pyarrow.int32(), "place": place, "list": pyarrow.list_(pyarrow.int64()), "none": pyarrow.null(), "ts": pyarrow.int64()}
        columns = "id INT, place ROW<lat INT, lon DOUBLE>, list ARRAY<INT>, none VARCHAR, gone BIGINT, ts TIMESTAMP(3)"
        table = pyarrow.table({key: pyarrow.array([row[key] for row in found], kind) for key, kind in kinds.items()})
        pyarrow.parquet.write_table(table, self.at("nested.parquet"))
        self.add("nested", "nested.parquet", held, "'timestamp.unit' = 's'", columns)


    def raw(self, name, data, held, options="", columns="id INT, t VARCHAR"):
        with open(self.at(name.replace("__", ".")), "wb") as file:
            file.write(data)
        self.add(name.replace("__", "_").replace(".", "_"), name.replace("__", "."), held, options, columns)

    def of_lines(self):
        """Ends of lines, marks, quotes across lines and chunks, delimiters behind the last field, records in any of them."""
        draw = self.draw
        texts = ["a", "", "two\nlines", "cr\r\nlf", 'say "x"', "end\n", "\nbegin", "x" * 3000, "é€", "a,b", "\r"]
        held = [{"id": number, "t": draw.choice(texts)} for number in range(2000)]
        quoted = lambda text: '"' + text.replace('"', '""') + '"'
        def body(ends, header="id,t", last=""):
            lines = [header + draw.choice(ends)] + [f"{row['id']},{quoted(row['t'])}{last}" + draw.choice(ends) for row in held]
            return "".join(lines)
        cut = lambda text, ends: text[: -len(ends[0])] if len(ends) == 1 else text
        for name, ends in [("lf", ["\n"]), ("crlf", ["\r\n"]), ("mixed", ["\n", "\r\n"])]:
            text = body(ends)
            self.raw(f"ends_{name}__csv", text.encode(), held)
            self.raw(f"ends_{name}_open__csv", cut(text, ends).encode(), held, "'decode-bytes' = '7 KiB', 'decode-threads' = '3'")
            self.raw(f"ends_{name}_blank__csv", text.replace("id,t" + ends[0], "id,t" + ends[0] + ends[-1] * 3, 1).encode(), held)
            self.raw(f"ends_{name}_bom__csv", b"\xef\xbb\xbf" + text.encode(), held)
            for order in ["le", "be"]:
                mark = "\ufeff".encode(f"utf-16-{order}")
                self.raw(f"ends_{name}_{order}__csv", mark + text.encode(f"utf-16-{order}"), held)
            lines = [json.dumps(row) + draw.choice(ends) for row in held]
            self.raw(f"ends_{name}__ndjson", "".join(lines).encode(), held)
            self.raw(f"ends_{name}_bom__ndjson", b"\xef\xbb\xbf" + "".join(lines).encode(), held)
        # As jq and json.dumps(indent=2) write them, one behind the other, in several arrays.
        objects = lambda indent: [json.dumps(row, indent=indent) for row in held]
        self.raw("over_lines__json", "\n".join(objects(2)).encode(), held, "'decode-bytes' = '1 KiB'")
        self.raw("array_over_lines__json", json.dumps(held, indent=2).encode(), held)
        self.raw("on_one_line__json", "".join(objects(None)).encode(), held, "'decode-bytes' = '1 KiB'")
        self.raw("arrays__json", "\n".join(f"[{row}]" for row in objects(None)).encode(), held, "'decode-bytes' = '1 KiB'")
        self.raw("blank_before__csv", ("\n\r\n" + body(["\n"])).encode(), held)
        # A delimiter behind the last field is a field without a name.
        self.raw("trailing__csv", body(["\n"], "id,t,", ",").encode(), held)
        # Undeclared columns may have one name.
        self.raw("surplus_twice__csv", body(["\n"], "id,t,x,x", ",1,2").encode(), held)
        self.raw("only_a_header__csv", b"id,t\r\n", [])
        self.raw("nothing__csv", b"", [])
        self.raw("nothing__ndjson", b"", [])

    def of_packed_text(self):
        """Text in gzip members and Zstandard frames, whole, in several, and by option."""
        held = rows(self.draw, TEXTS)
        lines = [json.dumps({**shown(row), "d": row["d"] and str(row["d"])}) + "\n" for row in held]
        text, half = "".join(lines).encode(), "".join(lines[:100]).encode()
        zstd = pyarrow.Codec("zstd")
        packed = lambda data: zstd.compress(data, asbytes=True)
        for name, data, options in [
            ("packed_gz__ndjson.gz", gzip.compress(text), ""),
            ("packed_members__ndjson.gz", gzip.compress(half) + gzip.compress(b"") + gzip.compress(text[len(half):]), "'decode-bytes' = '1 KiB'"),
            ("packed_zst__ndjson.zst", packed(text), ""),
            ("packed_frames__ndjson.zst", packed(half) + packed(text[len(half):]), ""),
            ("packed_by_option__log", gzip.compress(text), "'format' = 'json', 'compression' = 'gzip'"),
            ("not_packed__ndjson.gz", text, "'compression' = 'none'"),
        ]:
            self.raw(name, data, held, options, COLUMNS)
        table = pandas.DataFrame([{name: globals()["text"](value) for name, value in row.items()} for row in held], dtype=object)
        for name, packing in [("pandas_gzip", "csv.gz"), ("pandas_zstd", "csv.zst")]:
            data = table.to_csv(index=False).encode()
            with open(self.at(f"{name}.{packing}"), "wb") as file:
                file.write(gzip.compress(data) if packing.endswith("gz") else packed(data))
            self.add(name, f"{name}.{packing}", [{**row, "t": row["t"] or None} for row in held])

    def refusals(self):
        """Files that cannot be read, each with what is to be said of it."""
        text = b"".join(b'{"id":%d,"t":"%d"}\n' % (number, number * 7919) for number in range(5000))
        whole, broken = gzip.compress(text), bytearray(gzip.compress(text))
        broken[len(broken) // 2 : len(broken) // 2 + 40] = b"\xff" * 40
        zstd = pyarrow.Codec("zstd").compress(text, asbytes=True)
        ids = pyarrow.array([1, 2], pyarrow.int32())
        twice = pyarrow.table([ids, pyarrow.array(["a", "b"]), ids], names=["id", "t", "id"])
        pyarrow.parquet.write_table(twice, self.at("twice.parquet"))
        pyarrow.feather.write_feather(twice, self.at("twice.arrow"), compression="uncompressed")
        whole_file = lambda name: open(self.at(name), "rb").read()
        for name, data, told in [
            ("cr.csv", b"id,t\r1,a\r2,b\r", "lines end with CR alone"),
            ("twice.csv", b"id,t,id\n1,a,2\n", "names column 'id' twice, as its fields 1 and 3"),
            ("other.csv", b"a,b\n1,2\n", "names none of the columns"),
            ("packed.csv", gzip.compress(b"id,t\n1,a\n"), "packed with gzip"),
            ("bzip.csv", bz2.compress(b"id,t\n1,a\n"), "packed with bzip2"),
            ("short.ndjson.gz", whole[:-20], f"breaks off at byte {len(whole) - 20}"),
            ("damaged.ndjson.gz", bytes(broken), "cannot be unpacked behind byte"),
            ("short.ndjson.zst", zstd[:-20], f"breaks off at byte {len(zstd) - 20}"),
            ("plain.ndjson.gz", text, "does not begin as gzip does"),
            ("nothing.ndjson.gz", b"", "breaks off at byte 0"),
            ("nothing.parquet", b"", "not Parquet: there are 0 bytes"),
            ("nothing.arrow", b"", "there are 0 bytes"),
            ("text.parquet", b"id,t\n1,a\n", "not Parquet"),
            ("twice.parquet", whole_file("twice.parquet"), "names column 'id' twice, as number 1 and 3"),
            ("twice.arrow", whole_file("twice.arrow"), "names column 'id' twice, as number 1 and 3"),
            ("packed.ndjson", whole, "packed with gzip"),
            ("other.ndjson", whole_file("twice.parquet"), "the input is Parquet"),
            ("other.csv.gz", gzip.compress(whole_file("twice.arrow")), "the input is Arrow IPC"),
            ("zeros.ndjson", text.decode().encode("utf-16-le"), "iconv -f UTF-16LE"),
            ("short.parquet", open(self.at("groups.parquet"), "rb").read()[:-9], "not Parquet"),
        ]:
            with open(self.at(f"refused_{name}"), "wb") as file:
                file.write(data)
            self.refused[f"refused_{name}"] = told

    def pair(self, name, table, held, columns):
        """A table as Parquet and as Arrow, beside columns that nobody declared."""
        pyarrow.parquet.write_table(table, self.at(f"{name}.parquet"), row_group_size=3)
        self.add(name, f"{name}.parquet", held, columns=columns)
        pyarrow.feather.write_feather(table, self.at(f"{name}.arrow"), compression="uncompressed")
        self.add(f"{name}_arrow", f"{name}.arrow", held, columns=columns)

    def of_types(self):
        """A column of each type that pyarrow writes, as a type that SQL has for it; NULL at the end."""
        second = EPOCH + datetime.timedelta(days=20_000, seconds=3)
        clock, delta = datetime.time(1, 2, 3, 4567), datetime.timedelta
        cases = {
            "rows_in_lists": (pyarrow.list_(pyarrow.struct([("more", pyarrow.bool_()), ("b", pyarrow.list_(pyarrow.large_string())), ("a", pyarrow.int64())])),
                              "ARRAY<ROW<a INT, b ARRAY<VARCHAR>>>", [[{"a": 1, "b": ["x", None], "more": True}, None], []], [[{"a": 1, "b": ["x", None]}, None], []]),
            "dictionary": (pyarrow.dictionary(pyarrow.int8(), pyarrow.large_string()), "VARCHAR", ["a", "b", "a"], ["a", "b", "a"]),
            "numbers_by_dictionary": (pyarrow.dictionary(pyarrow.int32(), pyarrow.int64()), "INT", [7, 7, 8], [7, 7, 8]),
            "text_view": (pyarrow.string_view(), "VARCHAR", ["", "longer than twelve bytes", "x"], ["", "longer than twelve bytes", "x"]),
            "large_binary": (pyarrow.large_binary(), "BYTES", [b"\xff\x00", b""], ["/wA=", ""]),
            "binary_view": (pyarrow.binary_view(), "BYTES", [b"ab"], ["YWI="]),
            "fixed_binary": (pyarrow.binary(2), "BYTES", [b"ab"], ["YWI="]),
            "decimal256": (pyarrow.decimal256(50, 3), "DECIMAL(20, 3)", [decimal.Decimal("-1234567890.125")], [decimal.Decimal("-1234567890.125")]),
            "decimal_rounded": (pyarrow.decimal256(50, 3), "DECIMAL(5, 2)", [decimal.Decimal("1.005")], [decimal.Decimal("1.01")]),
            **{f"decimal_of_{kind}_{scale}": self.floats_as_decimals(kind, scale) for kind in ["float", "double"] for scale in range(4)},
            "decimals_of_floats_within": (pyarrow.list_(pyarrow.struct([("v", pyarrow.float64())])), "ARRAY<ROW<v DECIMAL(10, 2)>>",
                                          [[{"v": 1.005}, {"v": -2.675}, None]], [[{"v": decimal.Decimal("1.01")}, {"v": decimal.Decimal("-2.68")}, None]]),
            "decimal32": (pyarrow.decimal32(5, 2), "DECIMAL(5, 2)", [decimal.Decimal("1.05")], [decimal.Decimal("1.05")]),
            "unsigned": (pyarrow.uint64(), "DECIMAL(20, 0)", [2**64 - 1, 0], [2**64 - 1, 0]),
            "half": (pyarrow.float16(), "DOUBLE", [1.5], [1.5]),
            "time32_s": (pyarrow.time32("s"), "TIME", [clock.replace(microsecond=0)], ["01:02:03"]),
            "time32_ms": (pyarrow.time32("ms"), "TIME", [clock.replace(microsecond=4000)], ["01:02:03.004"]),
            "time64_us": (pyarrow.time64("us"), "TIME", [clock], ["01:02:03.004"]),
            "time64_ns": (pyarrow.time64("ns"), "TIME", [clock], ["01:02:03.004"]),
            "duration": (pyarrow.duration("ms"), "VARCHAR", [delta(seconds=3)], ["3 secs"]),
            "date64": (pyarrow.date64(), "DATE", [datetime.date(2024, 2, 29)], ["2024-02-29"]),
            "nothing": (pyarrow.null(), "BIGINT", [None, None], [None, None]),
            "uuid": (pyarrow.uuid(), "VARCHAR", [uuid.UUID(int=7 << 64).bytes, uuid.UUID(int=2**128 - 1).bytes], ["00000000-0000-0007-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"]),
            "uuid_as_bytes": (pyarrow.uuid(), "BYTES", [bytes(16)], ["AAAAAAAAAAAAAAAAAAAAAA=="]),
            "large_list": (pyarrow.large_list(pyarrow.int64()), "ARRAY<SMALLINT>", [[1, None], []], [[1, None], []]),
            "fixed_list": (pyarrow.list_(pyarrow.int8(), 2), "ARRAY<BIGINT>", [[1, 2]], [[1, 2]]),
            "map": (pyarrow.map_(pyarrow.string(), pyarrow.int64()), "MAP<STRING, INT>", [[("a", 1), ("b", None)], []], [{"a": 1, "b": None}, {}]),
            "map_as_text": (pyarrow.map_(pyarrow.string(), pyarrow.int64()), "VARCHAR", [[("a", 1)]], ['{"a":1}']),
            "row_as_text": (pyarrow.struct([("t", pyarrow.timestamp("us")), ("l", pyarrow.large_list(pyarrow.string_view()))]), "VARCHAR",
                            [{"t": second, "l": ["x", None]}], ['{"t":"' + shown({"ts": second})["ts"] + '","l":["x",null]}']),
        }
        for unit in ["s", "ms", "us", "ns"]:
            for zone in [None, "UTC", "America/New_York"]:
                name = f"ts_{unit}_{'none' if zone is None else zone.lower().replace('/', '_')}"
                cases[name] = (pyarrow.timestamp(unit, zone), "TIMESTAMP(3)", [second, EPOCH - datetime.timedelta(seconds=1)],
                               [shown({"ts": second})["ts"], "1969-12-31T23:59:59.000Z"])
        for name, (kind, column, given, found) in cases.items():
            given, found = given + [None], found + [None]
            table = pyarrow.table({"Surplus": pyarrow.array(["x"] * len(given)), "v": pyarrow.array(given, kind), "id": pyarrow.array(range(len(given)), pyarrow.int16())})
            held = [{"id": number, "v": value} for number, value in enumerate(found)]
            self.pair(name, table, held, f"id INT, v {column}")

    def floats_as_decimals(self, kind, scale):
        """Floats, most of them half-way as they are written, and the DECIMAL of the digits that they are written with."""
        draw, ends = random.Random(f"{kind} {scale}"), ["1.005", "-1.005", "2.675", "1e22", "-0.0", "0.1"]
        texts = ends + [f"{draw.randrange(-10**4, 10**4)}.{draw.randrange(10**scale):0{scale}}5" if scale else f"{draw.randrange(-10**4, 10**4)}.5" for _ in range(200)]
        given = [float(text) for text in texts] if kind == "double" else [float(numpy.float32(text)) for text in texts]
        written = [repr(value) if kind == "double" else str(numpy.float32(value)) for value in given]
        with decimal.localcontext(prec=60):
            found = [decimal.Decimal(text).quantize(decimal.Decimal(1).scaleb(-scale), decimal.ROUND_HALF_UP) for text in written]
        return (pyarrow.float64() if kind == "double" else pyarrow.float32(), f"DECIMAL(38, {scale})", given, found)

    def of_uuids(self):
        """UUIDs within arrays, rows and maps, as text and as bytes."""
        uuids = pyarrow.array([bytes(16), b"\xff" * 16, None], pyarrow.uuid())
        listed = pyarrow.ListArray.from_arrays(pyarrow.array([0, 2, 2, 3], pyarrow.int32()), uuids)
        rows = pyarrow.StructArray.from_arrays([pyarrow.array([1, 2, 3]), uuids, listed], names=["n", "u", "more"])
        maps = pyarrow.MapArray.from_arrays(pyarrow.array([0, 2, 2, 3], pyarrow.int32()), pyarrow.array(["a", "b", "c"]), uuids)
        table = pyarrow.table({"id": pyarrow.array([0, 1, 2], pyarrow.int16()), "us": listed, "r": rows, "m": maps, "raw": listed})
        zero, last, none = "00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff", base64.b64encode(bytes(16)).decode()
        lists, maps = [[zero, last], [], [None]], [{"a": zero, "b": last}, {}, {"c": None}]
        raw = [[none, base64.b64encode(b"\xff" * 16).decode()], [], [None]]
        held = [{"id": at, "us": lists[at], "r": {"n": at + 1, "u": [zero, last, None][at], "more": lists[at]}, "m": maps[at], "raw": raw[at]} for at in range(3)]
        columns = "id INT, us ARRAY<VARCHAR>, r ROW<n INT, u STRING, more ARRAY<STRING>>, m MAP<STRING, STRING>, raw ARRAY<BYTES>"
        self.pair("uuids_within", table, held, columns)

    def of_intervals(self):
        """Intervals with all their parts, also within arrays and rows."""
        given = [(14, 2, 3 * 3600), (1, 0, 0), (0, 700, 0), (0, 0, 2_520_000), (0, 0, 0), None]
        texts = ["14 mons 2 days 3 hours", "1 mons", "700 days", "700 hours", "0 secs", None]
        base = duckdb.connect()
        base.execute("CREATE TABLE held (id INTEGER, iv INTERVAL, l INTERVAL[], r STRUCT(v INTERVAL))")
        for number, parts in enumerate(given):
            iv = "NULL" if parts is None else "INTERVAL '{} month {} day {} second'".format(*parts)
            base.execute(f"INSERT INTO held VALUES ({number}, {iv}, [{iv}, NULL], {{'v': {iv}}})")
        base.execute(f"COPY (FROM held ORDER BY id) TO '{self.at('intervals.parquet')}' (FORMAT parquet)")
        typed = [{"id": number, "iv": text, "l": [text, None], "r": {"v": text}} for number, text in enumerate(texts)]
        self.add("intervals", "intervals.parquet", typed, columns="id INT, iv VARCHAR, l ARRAY<VARCHAR>, r ROW<v VARCHAR>")
        packed = lambda value: json.dumps(value, separators=(",", ":"))
        as_text = [{"id": row["id"], "l": packed(row["l"]), "r": packed(row["r"])} for row in typed]
        self.add("intervals_as_text", "intervals.parquet", as_text, columns="id INT, l VARCHAR, r VARCHAR")
        parts = [None if part is None else pyarrow.MonthDayNano([part[0], part[1], part[2] * 10**9]) for part in given]
        kind = pyarrow.month_day_nano_interval()
        ids, values = pyarrow.array(range(len(given)), pyarrow.int32()), pyarrow.array(parts, kind)
        table = pyarrow.table({"id": ids, "iv": values, "l": pyarrow.array([[part, None] for part in parts], pyarrow.list_(kind))})
        pyarrow.feather.write_feather(table, self.at("intervals.arrow"), compression="uncompressed")
        held = [{"id": row["id"], "iv": row["iv"], "l": row["l"]} for row in typed]
        self.add("intervals_arrow", "intervals.arrow", held, columns="id INT, iv VARCHAR, l ARRAY<VARCHAR>")
        lengths = pyarrow.array([1, -5_400, None], pyarrow.duration("s"))
        table = pyarrow.table({"id": pyarrow.array(range(3), pyarrow.int32()), "v": lengths})
        held = [{"id": number, "v": text} for number, text in enumerate(["1 secs", "-1 hours -30 mins", None])]
        self.pair("durations", table, held, "id INT, v VARCHAR")

    def of_ends(self):
        """Days beyond all calendars, and times that are of no day: those rows are dead letters, and the others are read."""
        base = duckdb.connect()
        base.execute(f"COPY (SELECT * FROM (VALUES (0, DATE 'infinity'), (1, DATE '-infinity'), (2, DATE '2024-02-29'), (3, NULL)) AS t(id, v)) "
                     f"TO '{self.at('days.parquet')}' (FORMAT parquet)")
        days = ["+5881580-07-11", "-5877641-06-24", "2024-02-29", None]
        for kind in ["DATE", "VARCHAR"]:
            self.add(f"days_{kind.lower()}", "days.parquet", [{"id": id, "v": day} for id, day in enumerate(days)], columns=f"id INT, v {kind}")
        base.execute(f"COPY (SELECT * FROM (VALUES (0, TIME '24:00:00'), (1, TIME '10:20:30'), (2, NULL)) AS t(id, v)) "
                     f"TO '{self.at('clocks.parquet')}' (FORMAT parquet)")
        for kind in ["TIME", "VARCHAR"]:
            held = [{"id": 1, "v": "10:20:30"}, {"id": 2, "v": None}]
            self.add(f"clocks_{kind.lower()}", "clocks.parquet", held, columns=f"id INT, v {kind}")
            raw = pyarrow.array([-1, 86_400_000, 37_230_000, None], pyarrow.int32()).cast(pyarrow.time32("ms"))
            table = pyarrow.table({"id": pyarrow.array([7, 8, 1, 2], pyarrow.int32()), "v": raw})
            self.pair(f"time32_{kind.lower()}", table, held, f"id INT, v {kind}")

    def of_packings(self):
        """Packed files, row groups without rows, files without any."""
        table = pyarrow.table({"id": pyarrow.array(range(5), pyarrow.int32()), "t": pyarrow.array(["a", "", None, "d", "e"])})
        held = table.to_pylist()
        for packing in ["none", "gzip", "zstd", "snappy", "lz4"]:
            pyarrow.parquet.write_table(table, self.at(f"packed_{packing}.parquet"), compression=packing)
            self.add(f"packed_{packing}", f"packed_{packing}.parquet", held, columns="id INT, t VARCHAR")
        for packing in ["lz4", "zstd"]:
            pyarrow.feather.write_feather(table, self.at(f"packed_{packing}.arrow"), compression=packing)
            self.add(f"packed_{packing}_arrow", f"packed_{packing}.arrow", held, columns="id INT, t VARCHAR")
        with pyarrow.parquet.ParquetWriter(self.at("groups.parquet"), table.schema) as writer:
            for part in [table.slice(0, 0), table.slice(0, 2), table.slice(0, 0), table.slice(2)]:
                writer.write_table(part)
        self.add("groups", "groups.parquet", held, columns="id INT, t VARCHAR")
        self.pair("no_rows", table.slice(0, 0), [], "id INT, t VARCHAR")


def text(value):
    """A value as people write it in CSV."""
    if isinstance(value, datetime.datetime):
        return value.isoformat(sep=" ", timespec="milliseconds")
    return value if value is None else {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)


def compare(folder):
    def decimals(found):
        return decimal.Decimal(found["decimal"]) if found.keys() == {"decimal"} else found
    with open(os.path.join(folder, "held.json"), encoding="utf-8") as file:
        held = json.load(file, object_hook=decimals)
    wrong = 0
    for name, expected in held.items():
        with open(os.path.join(folder, "out", f"{name}.ndjson"), encoding="utf-8") as file:
            found = [json.loads(line, parse_float=decimal.Decimal) for line in file]
        found.sort(key=lambda row: row["id"])
        pairs = [(want, have) for want, have in zip(expected, found) if not same(want, have)]
        if len(found) != len(expected) or pairs:
            wrong += 1
            print(f"{name}: {len(found)} rows of {len(expected)}, {len(pairs)} differ", *(f"\n  {want}\n  {have}" for want, have in pairs[:3]))
        else:
            print(f"{name}: {len(found)} rows")
    return wrong


def refuse(highwater, folder):
    """Runs a program over each file that is to be refused."""
    wrong = 0
    with open(os.path.join(folder, "refused.json"), encoding="utf-8") as file:
        refused = json.load(file)
    for name, told in refused.items():
        with open(os.path.join(folder, "refused.sql"), "w", encoding="utf-8") as file:
            file.write(f"CREATE SOURCE s (id INT, t VARCHAR) WITH ('connector' = 'filesystem', 'path' = '{name}');\n"
                       "CREATE SINK o WITH ('connector' = 'blackhole') AS SELECT * FROM s;\n")
        run = subprocess.run([highwater, "run", "refused.sql", "--exit-at-end", "--no-serve"], cwd=folder, capture_output=True, text=True)
        if run.returncode != 1 or told not in run.stderr or name not in run.stderr:
            wrong += 1
            print(f"{name}: code {run.returncode}, and not '{told}': {run.stderr}")
    print(f"{len(refused)} files are refused, {wrong} of them otherwise")
    return wrong


if __name__ == "__main__":
    if sys.argv[1] == "write":
        Files(sys.argv[2], int(sys.argv[3])).write()
    elif sys.argv[1] == "refuse":
        sys.exit(1 if refuse(os.path.abspath(sys.argv[3]), sys.argv[2]) else 0)
    else:
        sys.exit(1 if compare(sys.argv[2]) else 0)
