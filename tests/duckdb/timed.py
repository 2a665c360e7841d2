"""Random windows over times that are computed of the event time, also of rows that other rows let come and go; recursion over edges of which many are there several times, and
EXCEPT ALL and INTERSECT ALL whose lists are stars.

The times of a row that such a window goes by are those of DuckDB's own functions, so a window that closes too early, or misses a row
that came late, shows.
"""

from queries import Queries


class Timed(Queries):
    """A seeded source of such queries."""

    prefixes = ("timed_",)

    def timely(self, depth=2):
        """A time that follows the event time, in our words and in DuckDB's."""
        if depth == 0:
            return "t.ts", "t.ts"
        ours, others = self.timely(depth - 1) if self.often(0.5) else ("t.ts", "t.ts")
        unit, number, sign = self.one(["SECOND", "MINUTE"]), self.upto(90, 1), self.one("+-")
        floored = self.one(["SECOND", "MINUTE", "HOUR"])
        return self.made(
            lambda: tuple(f"({time} {sign} INTERVAL '{number}' {unit})" for time in (ours, others)),
            lambda: (f"({ours} + INTERVAL '{number}' SECOND + INTERVAL '1' DAY)", f"({others} + INTERVAL '{number}' SECOND + INTERVAL '1' DAY)"),
            lambda: (f"FLOOR({ours} TO {floored})", f"CAST(DATE_TRUNC('{floored}', {others}) AS TIMESTAMP)"),
            lambda: (f"DATE_TRUNC('{floored.lower()}', {ours})", f"CAST(DATE_TRUNC('{floored.lower()}', {others}) AS TIMESTAMP)"),
            lambda: (f"CAST({ours} AS TIMESTAMP(3))", others),
        )

    def admitted(self):
        """What lets a row of t come, or go, long after it was there: mostly without a bound in time."""
        other = self.one("uw")
        tie = self.one(["o.k = t.k", "o.s = t.s", "o.i < t.i", "o.k = t.k AND o.i <> t.i"])
        near = "o.ts >= t.ts - INTERVAL '3' SECOND AND o.ts <= t.ts + INTERVAL '4' SECOND"
        return self.one([
            f"EXISTS (SELECT 1 FROM {other} o WHERE {tie})",
            f"NOT EXISTS (SELECT 1 FROM {other} o WHERE {tie} AND o.i > {self.upto(900)})",
            f"t.k IN (SELECT o.k FROM {other} o{self.where('o', 0.5)})",
            f"t.k NOT IN (SELECT o.k FROM {other} o WHERE o.i > {self.upto(900)} AND o.k IS NOT NULL)",
            f"(t.b OR EXISTS (SELECT 1 FROM {other} o WHERE {tie}))",
            f"t.i > (SELECT COUNT(*) FROM {other} o WHERE {tie})",
            f"(SELECT COUNT(*) FROM {other} o WHERE o.b) > {self.upto(9)}",
            f"EXISTS (SELECT 1 FROM {other} o WHERE o.k = t.k AND {near})",
            f"EXISTS (SELECT 1 FROM {other} o WHERE o.k = t.k AND o.ts >= t.ts)",
        ])

    def rows(self):
        """A relation x with the columns of t and such a time in `moved`: behind WITH, ours and DuckDB's."""
        admitted = self.often(0.5)
        ours, others = ("t.ts", "t.ts") if admitted and self.often(0.4) else self.timely()
        where = f" WHERE {self.admitted()}" if admitted else self.where("t", 0.3)
        return tuple(f"WITH x AS (SELECT t.k, t.s, t.i, t.f, t.b, t.ts, {time} AS moved FROM t{where}) " for time in (ours, others))

    def windows(self, function, shown, keys, theirs):
        (ours, others), named = self.rows(), "".join(f"{key}, " for key in keys)
        where = self.where("x", 0.3)
        return (
            f"{ours}SELECT {named}window_start, {shown} FROM TABLE({function}) x{where} GROUP BY {named}window_start, window_end",
            f"{others}SELECT {named}window_start, {shown} FROM {theirs} x{where} GROUP BY {named}window_start",
        )

    def timed_tumble(self):
        size, keys, shown = self.one([5, 7, 10, 60]), self.one([[], ["k"], ["b"]]), self.aggregates(3, "x")
        if self.often(0.3):
            shown = f"COUNT(*) AS n, SUM(CASE WHEN x.k IN (SELECT o.k FROM {self.one('uw')} o{self.where('o', 0.5)}) THEN 1 ELSE 0 END) AS known"
        bucket = f"time_bucket(INTERVAL '{size} seconds', moved, TIMESTAMP '1970-01-01')"
        function = f"TUMBLE(TABLE x, DESCRIPTOR(moved), INTERVAL '{size}' SECOND)"
        return self.windows(function, shown, keys, f"(SELECT *, {bucket} AS window_start FROM x)")

    def timed_hop(self):
        size, slide = self.one([(10, 5), (9, 3), (8, 4), (60, 20)])
        bucket = f"time_bucket(INTERVAL '{slide} seconds', moved, TIMESTAMP '1970-01-01') - INTERVAL '1 second' * ({slide} * o)"
        function = f"HOP(TABLE x, DESCRIPTOR(moved), INTERVAL '{slide}' SECOND, INTERVAL '{size}' SECOND)"
        return self.windows(function, self.aggregates(2, "x"), ["k"], f"(SELECT *, {bucket} AS window_start FROM x, range({size // slide}) r(o))")

    def timed_grouped(self):
        """The form of GROUP BY."""
        (ours, others), size, shown = self.rows(), self.one([5, 10, 60]), self.aggregates(2, "x")
        bucket = f"time_bucket(INTERVAL '{size} seconds', moved, TIMESTAMP '1970-01-01')"
        return (
            f"{ours}SELECT k, TUMBLE_START(moved, INTERVAL '{size}' SECOND) AS since, {shown} FROM x GROUP BY k, TUMBLE(moved, INTERVAL '{size}' SECOND)",
            f"{others}SELECT k, {bucket} AS since, {shown} FROM x GROUP BY k, {bucket}",
        )

    def timed_session(self):
        (ours, others), gap, shown = self.rows(), self.upto(4, 1), "COUNT(*) AS n, SUM(i) AS total"
        opens = f"CASE WHEN moved - LAG(moved) OVER (PARTITION BY k ORDER BY moved, ts) <= INTERVAL '{gap} seconds' THEN 0 ELSE 1 END AS opens"
        return (
            f"""{ours}SELECT k, window_start, window_end, {shown}
            FROM TABLE(SESSION(TABLE x PARTITION BY k, DESCRIPTOR(moved), INTERVAL '{gap}' SECOND)) GROUP BY k, window_start, window_end""",
            f"""{others}SELECT k, MIN(moved) AS window_start, MAX(moved) + INTERVAL '{gap} seconds' AS window_end, {shown} FROM (
            SELECT *, SUM(opens) OVER (PARTITION BY k ORDER BY moved, ts ROWS UNBOUNDED PRECEDING) AS session FROM (SELECT *, {opens} FROM x)) GROUP BY k, session""",
        )

    def timed_over(self):
        """Frames and the row before, of rows that come and go."""
        frame = self.one(["", "ROWS BETWEEN 2 PRECEDING AND CURRENT ROW", "RANGE BETWEEN INTERVAL '4' SECOND PRECEDING AND CURRENT ROW"])
        time = self.one(["ts", "moved"])
        over = f"OVER (PARTITION BY {self.one('kb')} ORDER BY {time}"
        call = self.one([f"SUM(i) {over} {frame})", f"COUNT(*) {over} {frame})", f"MAX(i) {over} {frame})", f"LAG(i) {over})"])
        return f"SELECT k, i, ts, {call} AS over FROM (SELECT t.k, t.i, t.b, t.ts, t.ts {self.one('+-')} INTERVAL '{self.upto(90, 1)}' SECOND AS moved FROM t WHERE {self.admitted()}) r"

    def edges(self):
        """Edges between a few nodes, many of them several times, some from or to NULL."""
        table, most = self.one("uwp"), self.upto(6, 3)
        way = self.one([f"MOD(e.k, {most}) AS src, MOD(ABS(e.i), {most}) AS dst", f"MOD(e.k, {most}) AS src, MOD(e.k + ABS(e.i), {most}) AS dst", "e.k AS src, e.k + 1 AS dst"])
        return f"SELECT {way}, e.i AS cost FROM {table} e{self.where('e', 0.3)}"

    def timed_reached(self):
        """UNION: what is reached, however many ways there are."""
        keyed = self.one(["e.src = r.dst", "e.src = r.dst AND e.dst <> r.src"])
        shown = self.one(["src, dst", "dst, COUNT(*) AS n"])
        grouped = " GROUP BY dst" if "COUNT" in shown else ""
        return f"""WITH RECURSIVE e AS ({self.edges()}), r (src, dst) AS (
            SELECT src, dst FROM e UNION SELECT r.src, e.dst FROM r JOIN e ON {keyed}) SELECT {shown} FROM r{grouped}"""

    def timed_ways(self):
        """UNION ALL: each way, as often as its edges are there."""
        joined = self.one(["FROM r JOIN e ON e.src = r.dst WHERE r.hops < {}", "FROM r, e WHERE e.src = r.dst AND r.hops < {}", "FROM r LEFT JOIN e ON e.src = r.dst WHERE r.hops < {}"])
        begin = self.one(["SELECT src, dst, 1 FROM e", "SELECT DISTINCT src, dst, 1 FROM e", "SELECT t.k, t.k, 0 FROM t WHERE t.i > 500"])
        shown = self.one(["src, dst, hops, COUNT(*) AS ways FROM r GROUP BY src, dst, hops", "dst, COUNT(*) AS ways, SUM(hops) AS total FROM r GROUP BY dst"])
        return f"""WITH RECURSIVE e AS (SELECT src, dst FROM ({self.edges()}) x WHERE cost > {self.one([0, 300, 600])}), r (src, dst, hops) AS (
            {begin} UNION ALL SELECT r.src, e.dst, r.hops + 1 {joined.format(self.upto(3, 1))}) SELECT {shown}"""

    def timed_sets(self):
        """Sets that count rows, of lists that are stars, one after another."""
        columns = self.one(["k, b", "s", "k, s", "b", "k, i, s, b"])
        table = lambda: self.one("tuwpq")
        plain = lambda: (lambda a: f"SELECT {columns} FROM {a}{self.where(a, 0.4)}")(table())
        side = lambda: self.one(["SELECT * FROM ({}) q", "SELECT q.* FROM ({}) q", "SELECT * FROM (SELECT * FROM ({}) q) q", "{}"]).format(plain())
        all_ = lambda: self.one(["EXCEPT ALL", "INTERSECT ALL", "UNION ALL", "EXCEPT ALL"])
        if self.often(0.3):
            return f"SELECT * FROM {self.one('tp')} {self.one(['EXCEPT ALL', 'INTERSECT ALL'])} SELECT * FROM {self.one('upq')}"
        if self.often(0.4):
            first = f"({side()} {all_()} {side()})"
            return f"{first} {all_()} {side()}" if self.often(0.5) else f"{side()} {all_()} {first}"
        if self.often(0.3):
            return f"SELECT COUNT(*) AS n FROM ({side()} {all_()} {side()}) z"
        return f"{side()} {all_()} {side()}"
