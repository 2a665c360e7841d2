"""Random queries with several subqueries in one place, of which some are equal: as arguments of aggregates, in FILTER, as keys of GROUP BY,
ROLLUP and GROUPING SETS, in HAVING, OVER, CASE and ORDER BY, over rows and over windows.

DuckDB is asked the same of a relation below that has the subqueries' values as columns, so that nothing depends on which of
them it takes for equal.
"""

from correlated import Correlated


class Several(Correlated):
    """A seeded source of such queries."""

    prefixes = ("several_",)

    def drawn(self, places, a="t"):
        """A subquery for each place: `n` is a number, `c` a condition. Of each kind there are two."""
        pool = {"n": [self.number_of([a], 0) for _ in "ab"], "c": [self.asked([a], 0) for _ in "ab"]}
        return [self.one(pool[place]) if self.often(0.9) else f"CASE WHEN {self.one(pool['c'])} THEN {self.one(pool[place])} ELSE {self.one(pool[place])} END" for place in places]

    def both(self, places, ours, of="t", theirs=None, below="t", apart=0):
        """A query in our words, with the subqueries in their places, and in DuckDB's, over their values. The first `apart` differ."""
        asked = self.drawn(places, of)
        while len(set(asked[:apart])) < apart:
            asked = self.drawn(places, of)
        where = self.where(of, 0.3)
        values = ", ".join(f"{value} AS y{n}" for n, value in enumerate(asked))
        columns = [f"y{n}" for n in range(len(asked))]
        relation = f"(SELECT {of}.*, {values} FROM {below}{where}) {of}"
        return ours.format(*asked, of=f"{of}{where}", where=where), (theirs or ours).format(*columns, of=relation, where="")

    def call(self, place):
        return f"{self.one(['SUM', 'MIN', 'MAX', 'COUNT'])}({{{place}}})"

    def calls(self, first):
        """Aggregates of subqueries: their places, and the list."""
        places = [self.one("nnc") for _ in range(self.upto(4, 2))]
        of = [self.call(first + n) if place == "n" else f"{self.one(['COUNT(*)', 'SUM(i)', 'MAX(s)'])} FILTER (WHERE {{{first + n}}})" for n, place in enumerate(places)]
        return "".join(places), ", ".join(f"{call} AS x{n}" for n, call in enumerate(of))

    def several_aggregated(self):
        places, calls = self.calls(0)
        key = self.one(["b", "s", "k"])
        return self.both(places, self.one([f"SELECT {key}, {calls} FROM {{of}} GROUP BY {key}", f"SELECT {calls} FROM {{of}}"]))

    def several_having(self):
        places, calls = self.calls(0)
        first, second = self.one(["nn", "nc", "cc"]), len(places)
        asked = {"nn": f"{self.call(second)} > {self.call(second + 1)}", "nc": f"{self.call(second)} > 2 OR COUNT(*) FILTER (WHERE {{{second + 1}}}) > 1",
                 "cc": f"COUNT(*) FILTER (WHERE {{{second}}}) >= COUNT(*) FILTER (WHERE {{{second + 1}}})"}[first]
        return self.both(places + first, f"SELECT b, {calls} FROM {{of}} GROUP BY b HAVING {asked}")

    def several_keys(self):
        keys = self.one(["nn", "nc", "cn", "cc", "nnc"])
        places, calls = self.calls(len(keys)) if self.often(0.4) else ("", "COUNT(*) AS n, SUM(i) AS total")
        shown, numbers = [f"{{{n}}}" for n in range(len(keys))], range(1, len(keys) + 1)
        grouped = self.one([", ".join(shown), ", ".join(map(str, numbers)), ", ".join(f"z{n}" for n in numbers), f"ROLLUP ({', '.join(shown)})", f"GROUPING SETS (({shown[0]}), ({', '.join(shown)}))"])
        listed = ", ".join(f"{key} AS z{n}" for n, key in zip(numbers, shown))
        # Keys that are equal are one, which is in a set or not.
        return self.both(keys + places, f"SELECT {listed}, {calls} FROM {{of}} GROUP BY {grouped}", apart=len(keys) if grouped[0] in "RG" else 0)

    def several_over(self):
        frame = f"ORDER BY ts ROWS BETWEEN {self.upto(4)} PRECEDING AND CURRENT ROW"
        over = lambda place, by: f"SUM({{{place}}}) OVER (PARTITION BY {by} {frame})"
        return self.both("nnnc", self.one([
            f"SELECT k, ts, {over(0, 'k')} AS x, {over(1, 'k')} AS y FROM {{of}}",
            f"SELECT k, ts, {over(0, '{2}')} AS x, {over(0, '{1}')} AS y FROM {{of}}",
            f"SELECT k, ts, {over(0, '{2}, {1}')} AS x, {over(1, '{2}, {1}')} AS y FROM {{of}}",
            f"SELECT k, ts, {over(0, 'k')} AS x, COUNT(*) FILTER (WHERE {{3}}) OVER (PARTITION BY k {frame}) AS y FROM {{of}}",
        ]))

    def several_ranked(self):
        order = "{0} NULLS FIRST, {1} DESC NULLS LAST, ts"
        ranked = f"SELECT k, i, ts, ROW_NUMBER() OVER (PARTITION BY {self.one(['k', '{2}', '{3}, {2}'])} ORDER BY {order}) AS r FROM {{of}}"
        return self.both("nnnc", f"SELECT k, i, ts, r FROM ({ranked}) x WHERE r <= {self.upto(3, 1)}")

    def several_shown(self):
        listed = self.one(["{0} AS x, {1} AS y, {2} AS z", "CASE WHEN {2} THEN {0} WHEN {3} THEN {1} END AS x", "COALESCE({0}, {1}) AS x, {2} AND {3} AS y"])
        return self.both("nncc", self.one([f"SELECT ts, {listed} FROM {{of}}", f"SELECT DISTINCT {listed} FROM {{of}}", f"SELECT {listed} FROM {{of}} UNION SELECT {listed} FROM {{of}}"]))

    def several_windowed(self):
        places, calls = self.calls(0)
        size, key = self.one([5, 7, 10]), self.one(["", "k, ", "b, "])
        bucket = f"time_bucket(INTERVAL '{size} seconds', ts, TIMESTAMP '1970-01-01')"
        ours = f"SELECT {key}window_start, {calls} FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '{size}' SECOND)) v{{where}} GROUP BY {key}window_start, window_end"
        theirs = f"SELECT {key}window_start, {calls} FROM {{of}} GROUP BY {key}window_start"
        return self.both(places, ours, "v", theirs, f"(SELECT *, {bucket} AS window_start FROM t) v")
