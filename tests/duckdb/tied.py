"""Random rankings of rows that are alike: several of one row of a source (branches of a union, items of an array, windows that
overlap), and rows of two sources at one time.

With an order that tells all rows apart the answer is DuckDB's. Without one the rules say which comes first (event time, the place in
the source, all columns), which DuckDB does not know: then a program is run again and again, and is to say the same bytes at any
number of workers, and the same rows at any length of its epochs. The tables p and q are those of `tables.py` with many rows at one time.
"""

from queries import Query, Queries

# What tells rows apart that are not alike, behind other columns.
REST = "ts, k NULLS FIRST, s NULLS FIRST, i NULLS FIRST, f NULLS FIRST, b NULLS FIRST"
COLUMNS = "k, s, i, f, b, ts"


class Tied(Queries):
    """A seeded source of such queries; `repeated` says that one is compared with itself."""

    prefixes = ("tied_",)
    repeated = False

    def branch(self, table, n):
        """Rows of a table, otherwise in each branch."""
        i = self.one(["i", "-i", f"i + {n}", "k"])
        shown = ", ".join(f"{i} AS i" if column == "i" else column for column in COLUMNS.split(", "))
        return f"SELECT {shown} FROM {table}{self.where(table, 0.3)}"

    def rows(self):
        """A relation of those columns, of which rows may be alike in all that an order says; and whether `ts` is its event time."""
        return self.made(
            self.of_one_source,
            self.of_one_source,
            self.of_two_sources,
            self.of_two_sources,
            self.of_items,
            self.of_windows,
        )

    def of_one_source(self):
        table = self.one("ptq")
        return "(" + " UNION ALL ".join(self.branch(table, n) for n in range(self.upto(3, 2))) + ") r"

    def of_two_sources(self):
        tables = self.one(["pq", "qp", "pqp"])
        return "(" + " UNION ALL ".join(self.branch(table, n) for n, table in enumerate(tables)) + ") r"

    def of_items(self):
        table = self.one("pt")
        item = self.one([f"{table}.a", "ARRAY[{0}.i, {0}.k, 7]".format(table), "ARRAY[3, -1, {0}.k]".format(table)])
        return f"(SELECT {table}.k, {table}.s, u.item AS i, {table}.f, {table}.b, {table}.ts FROM {table} CROSS JOIN UNNEST({item}) AS u (item)) r"

    def of_windows(self):
        """Each row as often as it is in a window."""
        table = self.one("pt")
        ours = f"(SELECT {COLUMNS} FROM TABLE(HOP(TABLE {table}, DESCRIPTOR(ts), INTERVAL '5' SECOND, INTERVAL '10' SECOND))) r"
        return ours, f"(SELECT {COLUMNS} FROM {table}, range(2) h(n)) r"

    def order(self):
        """What a ranking is by: with all that tells rows apart behind it, or, of a repeated one, with nothing."""
        by = self.made(
            "ts",
            "ts",
            "ts DESC",
            "i NULLS FIRST",
            "f DESC NULLS LAST",
            "CAST(ts AS TIME) DESC",
            "ENCODE(s, 'UTF-8') NULLS FIRST",
            lambda: f"CASE WHEN k > {self.upto(4, 1)} THEN k * INTERVAL '12' HOUR ELSE INTERVAL '1' DAY END",
            "CASE WHEN b THEN INTERVAL '30' DAY WHEN i > 0 THEN INTERVAL '1' MONTH ELSE INTERVAL '700' HOUR END DESC",
            "ts - TIMESTAMP '2024-01-01 00:00:05'",
        )
        if self.repeated and self.often(0.8):
            return by
        return f"{by}, {self.one([REST, REST.replace('ts, ', 'ts DESC, ')])}"

    def both(self, shape):
        """The query over a relation, in both words."""
        found = self.rows()
        ours, others = found if isinstance(found, tuple) else (found, found)
        return shape.replace("{rows}", ours), shape.replace("{rows}", others)

    # Queries.

    def tied_ranked(self):
        partition = self.one(["PARTITION BY k ", "PARTITION BY s, b ", "PARTITION BY k ", ""])
        call = "ROW_NUMBER" if self.often(0.7) else self.one(["RANK", "DENSE_RANK"])
        bound = self.one(["r = 1", "r = 1", f"r <= {self.upto(4, 2)}", f"r BETWEEN 2 AND {self.upto(5, 2)}"])
        return self.both(f"SELECT {COLUMNS}, r FROM (SELECT {COLUMNS}, {call}() OVER ({partition}ORDER BY {self.order()}) AS r FROM {{rows}}) x WHERE {bound}")

    def tied_first(self):
        return self.both(f"SELECT {COLUMNS} FROM {{rows}} ORDER BY {self.order()} LIMIT {self.upto(6, 1)}")

    def tied_first_of_each(self):
        return self.both(f"SELECT DISTINCT ON (k) {COLUMNS} FROM {{rows}} ORDER BY k, {self.order()}")

    def tied_gathered(self):
        order = self.order()
        call = self.one([f"FIRST_VALUE(i ORDER BY {order})", f"LAST_VALUE(i ORDER BY {order})", f"ARRAY_AGG(i ORDER BY {order})"])
        ours, others = self.both(f"SELECT k, {call} AS x FROM {{rows}} WHERE i IS NOT NULL GROUP BY k")
        return ours, others.replace("FIRST_VALUE", "FIRST").replace("LAST_VALUE", "LAST")

    def tied_shifted(self):
        table = self.one([self.of_one_source, self.of_two_sources, self.of_items])()
        order = "ts" if self.repeated else f"ts, {REST.removeprefix('ts, ')}"
        call = self.one(["LAG(i)", "LAG(i, 2)", "SUM(i)", "FIRST_VALUE(i)"])
        frame = " ROWS BETWEEN 2 PRECEDING AND CURRENT ROW" if "LAG" not in call else ""
        # A FIRST_VALUE of a frame is the first that is not NULL.
        where = " WHERE i IS NOT NULL" if "FIRST" in call else ""
        return f"SELECT {COLUMNS}, {call} OVER (PARTITION BY k ORDER BY {order}{frame}) AS x FROM {table}{where}"

    def tied_of_windows(self):
        table, order = self.one([self.of_one_source, self.of_two_sources])(), self.order()
        inner, call = table.removesuffix(" r"), f"ROW_NUMBER() OVER (PARTITION BY window_start, window_end, k ORDER BY {order}) AS r"
        ours = f"SELECT window_start, {COLUMNS} FROM (SELECT window_start, window_end, {COLUMNS}, {call} FROM TABLE(TUMBLE(TABLE united, DESCRIPTOR(ts), INTERVAL '5' SECOND))) x WHERE r <= {self.upto(2, 1)}"
        bucket = "time_bucket(INTERVAL '5 seconds', ts, TIMESTAMP '1970-01-01') AS window_start"
        theirs = f"SELECT window_start, {COLUMNS} FROM (SELECT window_start, {COLUMNS}, {call.replace('window_start, window_end, ', 'window_start, ')} FROM (SELECT *, {bucket} FROM united)) x WHERE r <= {ours.rsplit(' ', 1)[1]}"
        united = f"WITH united AS {inner} "
        return united + ours, united + theirs


class Repeated(Tied):
    """The same without an order that tells all rows apart: answers that DuckDB does not have."""

    repeated = True

    def next(self):
        made = super().next()
        return Query(f"repeated, {made.kind}", made.ours, "", changes=made.changes)

    def tied_patterns(self):
        table = self.one([self.of_one_source, self.of_two_sources])()
        return f"""SELECT * FROM {table.removesuffix(" r")} MATCH_RECOGNIZE (PARTITION BY k ORDER BY ts
            MEASURES A.i AS x, LAST(B.i) AS y, COUNT(B.i) AS n PATTERN (A B+) WITHIN INTERVAL '9' SECOND DEFINE B AS B.i > A.i) m"""

    def tied_lateral(self):
        rows = self.one([self.of_one_source, self.of_two_sources])()
        return f"SELECT w.ts AS at, l.i, l.ts FROM w CROSS JOIN LATERAL (SELECT i, ts FROM {rows} WHERE r.k = w.k ORDER BY {self.order()} LIMIT {self.upto(2, 1)}) l"

    def tied_joined_texts(self):
        return f"SELECT k, LISTAGG(s) AS x, FIRST_VALUE(i) AS y, LAST_VALUE(f) AS z, ARRAY_AGG(i) AS l FROM {self.made(self.of_one_source, self.of_two_sources, self.of_items)} GROUP BY k"
