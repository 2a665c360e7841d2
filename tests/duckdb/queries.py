"""Random queries over the tables t, u and w: expressions that both engines answer alike.

Columns are k, i (BIGINT), s (VARCHAR), f (DOUBLE), b (BOOLEAN), ts (TIMESTAMP), all but ts with NULLs. What DuckDB does
otherwise by design is left out: GREATEST, LEAST and CONCAT with NULLs (NULL here, as in Flink), division, casts that round.
`Queries.next` answers a `Query`.
"""

import dataclasses
import random
import re


NONE_FAILS = "SELECT 0"


@dataclasses.dataclass
class Query:
    """A query in our words, the same in DuckDB's, and in DuckDB's how many of its rows fail."""

    kind: str
    ours: str
    theirs: str
    failed: str = NONE_FAILS
    # What the program has before it: names of views, ours, theirs.
    views: tuple = ()
    # Whether its dead letters say what failed as the query has it.
    told: bool = True
    # Whether it may tell changes as they come.
    changes: bool = True


def theirs(text):
    """A query in our words in DuckDB's."""
    text = text.replace("CHAR_LENGTH", "LENGTH")
    text = re.sub(r"ENCODE\(([\w.]+), 'UTF-8'\)", r"ENCODE(\1)", text)
    # Of a day it makes a DATE.
    return re.sub(r"(?<!CAST\()DATE_TRUNC\('\w+', [\w.]+\)", r"CAST(\g<0> AS TIMESTAMP)", text)


class Queries:
    """A seeded source of queries."""

    prefixes = ("query_",)

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.kinds = [name for name in dir(self) if name.startswith(self.prefixes)]

    def next(self):
        kind = self.one(self.kinds)
        made = getattr(self, kind)()
        if not isinstance(made, Query):
            ours, others, *failed = made if isinstance(made, tuple) else (made, made)
            made = Query(kind.split("_", 1)[1], ours, others, *failed)
        made.theirs = theirs(made.theirs)
        made.changes &= " OVER (PARTITION BY" not in made.ours or " AS r " in made.ours
        return made

    # What the rest is made of.

    def one(self, choices):
        return self.random.choice(choices)

    def upto(self, most, least=0):
        return self.random.randint(least, most)

    def often(self, share):
        return self.random.random() < share

    def made(self, *makers):
        """One of these, and only that one is made."""
        maker = self.one(makers)
        return maker() if callable(maker) else maker

    # Expressions over the columns of the table `a`, so many levels deep.

    def number(self, a, depth):
        if depth <= 0:
            return self.one([f"{a}.k", f"{a}.i", f"{a}.i", str(self.upto(9, -3))])
        number = lambda: self.number(a, depth - 1)
        return self.made(
            lambda: f"({number()} {self.one('+-*')} {number()})",
            lambda: f"COALESCE({number()}, {self.number(a, 0)})",
            lambda: f"NULLIF({number()}, {self.number(a, 0)})",
            lambda: f"ABS({number()})",
            lambda: f"-({number()})",
            lambda: f"MOD({number()}, {self.upto(7, 2)})",
            lambda: f"CASE WHEN {self.condition(a, depth - 1)} THEN {number()} ELSE {number()} END",
            lambda: f"CASE {a}.k WHEN 1 THEN {number()} WHEN 2 THEN {number()} END",
            lambda: f"CHAR_LENGTH({self.text(a, depth - 1)})",
            lambda: f"POSITION('a' IN {self.text(a, depth - 1)})",
            lambda: f"EXTRACT({self.one(['YEAR', 'MONTH', 'DAY', 'HOUR', 'MINUTE'])} FROM {self.time(a, depth - 1)})",
            lambda: f"CAST(CAST({number()} AS VARCHAR) AS BIGINT)",
            lambda: f"(ARRAY[{number()}, {self.number(a, 0)}, 3])[{self.upto(4, 1)}]",
            lambda: self.number(a, 0),
        )

    def float(self, a, depth):
        return self.made(
            f"{a}.f",
            f"ROUND({a}.f)",
            f"FLOOR({a}.f)",
            f"CEIL({a}.f)",
            f"COALESCE({a}.f, 0.25)",
            lambda: f"({a}.f {self.one('+-*')} {self.number(a, depth - 1)})",
        )

    def text(self, a, depth):
        if depth <= 0:
            return self.one([f"{a}.s", f"{a}.s", "'a'", "'b'"])
        text = lambda: self.text(a, depth - 1)
        return self.made(
            lambda: f"{self.one(['UPPER', 'LOWER', 'TRIM', 'LTRIM', 'RTRIM', 'REVERSE'])}({text()})",
            lambda: f"({text()} || {text()})",
            lambda: f"COALESCE({text()}, {self.text(a, 0)})",
            lambda: f"NULLIF({text()}, {self.text(a, 0)})",
            lambda: f"REPLACE({text()}, 'a', 'zz')",
            lambda: f"TRANSLATE({text()}, 'ab', 'xy')",
            lambda: f"SUBSTRING({text()}, {self.upto(3, 1)}, {self.upto(3)})",
            lambda: f"SUBSTRING({text()}, {self.upto(3, 1)})",
            lambda: f"{self.one(['LEFT', 'RIGHT', 'REPEAT'])}({text()}, {self.upto(3)})",
            lambda: f"{self.one(['LPAD', 'RPAD'])}({text()}, {self.upto(5, 1)}, '-')",
            lambda: f"CASE WHEN {self.condition(a, depth - 1)} THEN {text()} ELSE {text()} END",
            lambda: f"CASE {a}.s WHEN 'a' THEN 'x' WHEN 'b' THEN {text()} END",
            lambda: f"CAST({self.number(a, depth - 1)} AS VARCHAR)",
        )

    def time(self, a, depth):
        return self.made(
            f"{a}.ts",
            lambda: f"({a}.ts + INTERVAL '{self.upto(90, 1)}' SECOND)",
            lambda: f"({a}.ts - INTERVAL '{self.upto(5, 1)}' MINUTE)",
            lambda: f"CASE WHEN {self.condition(a, depth - 1)} THEN {a}.ts END",
            lambda: f"DATE_TRUNC('{self.one(['second', 'minute', 'hour', 'day'])}', {a}.ts)",
        )

    def condition(self, a, depth):
        if depth <= 0:
            return self.made(
                f"{a}.b",
                f"{a}.s = 'a'",
                f"{a}.s IS NULL",
                f"{a}.k IS NOT NULL",
                lambda: f"{a}.i > {self.upto(5, -5)}",
                lambda: f"{a}.k = {self.upto(5, 1)}",
                lambda: f"{self.upto(5, 1)} {self.one(['=', '<', '>='])} {a}.k",
            )
        number, text = lambda: self.number(a, depth - 1), lambda: self.text(a, depth - 1)
        condition = lambda: self.condition(a, depth - 1)
        compared = self.one(["<", "<=", ">", ">=", "=", "<>"])
        listed = lambda: f"{a}.k {self.one(['', 'NOT '])}IN ({self.upto(5, 1)}, {self.upto(5, 1)})"
        return self.made(
            lambda: f"({condition()} AND {condition()})",
            lambda: f"({condition()} OR {condition()})",
            lambda: f"NOT ({condition()})",
            lambda: f"{number()} {compared} {number()}",
            lambda: f"{text()} {compared} {text()}",
            lambda: f"{self.time(a, depth - 1)} {compared} {self.time(a, depth - 1)}",
            lambda: f"{self.float(a, depth)} {compared} {self.float(a, depth)}",
            lambda: f"{number()} {self.one(['', 'NOT '])}BETWEEN {self.number(a, 0)} AND {self.number(a, 0)}",
            lambda: f"({number()} > 0) = ({number()} > 1)",
            listed,
            lambda: f"({listed()} {self.one(['AND', 'OR'])} {listed()})",
            lambda: f"{a}.i IN ({self.number(a, 1)}, {self.number(a, 0)}) {self.one(['AND', 'OR'])} {a}.i NOT IN ({self.number(a, 0)}, 2)",
            lambda: f"{text()} IN ('a', 'b', {self.text(a, 0)})",
            lambda: f"{text()} {self.one(['', 'NOT '])}LIKE {self.one(['%a%', 'a_', '%', '_', '%b'])!r}",
            lambda: f"{text()} LIKE {self.one(['!%', '%!_%', 'a!!%', '!_a'])!r} ESCAPE '!'",
            lambda: f"{text()} SIMILAR TO {self.one(['a|b', '(a|b)+', '[ab]*', 'z?'])!r}",
            lambda: f"({condition()}) IS {self.one(['', 'NOT '])}{self.one(['TRUE', 'FALSE', 'NULL'])}",
            lambda: f"({number()} IS {self.one(['', 'NOT '])}DISTINCT FROM {number()} AND {condition()})",
        )

    def value(self, a, depth):
        return self.made(*(lambda of=of: of(a, depth) for of in (self.number, self.text, self.float, self.time, self.condition)))

    def aggregate(self, a):
        call = self.made(
            "COUNT(*)",
            f"SUM({a}.f)",
            f"VAR_SAMP({a}.i)",
            f"STDDEV_POP({a}.i)",
            f"MEDIAN({a}.i)",
            lambda: f"COUNT({self.value(a, 1)})",
            lambda: f"{self.one(['SUM', 'AVG'])}({self.one(['', 'DISTINCT '])}{self.number(a, 1)})",
            lambda: f"{self.one(['MIN', 'MAX'])}({self.one([self.number, self.text, self.float])(a, 1)})",
            lambda: f"COUNT(DISTINCT {self.one([self.number, self.text])(a, 1)})",
            lambda: f"{self.one(['BOOL_AND', 'BOOL_OR'])}({self.condition(a, 1)})",
        )
        return f"{call} FILTER (WHERE {self.condition(a, 1)})" if self.often(0.25) else call

    def where(self, a, share=0.5):
        return f" WHERE {self.condition(a, 2)}" if self.often(share) else ""

    def values(self, most, tables, depth=1):
        return ", ".join(f"{self.value(self.one(tables), depth)} AS c{n}" for n in range(self.upto(most, 1)))

    def aggregates(self, most, a):
        return ", ".join(f"{self.aggregate(a)} AS a{n}" for n in range(self.upto(most, 1)))

    # Queries.

    def query_plain(self):
        return f"SELECT {self.values(4, 't', 2)} FROM t{self.where('t', 0.8)}"

    def query_distinct(self):
        return f"SELECT DISTINCT {self.values(3, 't')} FROM t{self.where('t', 0.4)}"

    def query_grouped(self):
        of = (self.number, self.text, self.condition)
        keys = [self.made("t.k", "t.s", "t.b", lambda: f"({self.one(of)('t', 1)})") for _ in range(self.upto(2))]
        # A number alone is a place among the columns.
        keys = [key for key in keys if "t." in key]
        shown = "".join(f"{key} AS g{n}, " for n, key in enumerate(keys)) + self.aggregates(3, "t")
        query = f"SELECT {shown} FROM t{self.where('t')}"
        if keys:
            query += f" GROUP BY {', '.join(keys)}"
            if self.often(0.3):
                query += f" HAVING {self.one(['COUNT(*) > 3', 'SUM(t.i) > 0', 'MIN(t.k) IS NOT NULL', 'MAX(t.i) > AVG(t.i)'])}"
        return query

    def query_sets_of_keys(self):
        keys = self.one(["(k, b)", "ROLLUP ((k, b))", "CUBE ((k, b))", "GROUPING SETS ((k, b), ROLLUP (b))", "ROLLUP (k, b)", "CUBE (k, b)", "GROUPING SETS ((k), (b), ())", "GROUPING SETS ((k, b), (k))", "GROUPING SETS ((), (k, b), ())"])
        shown = self.one(["", "GROUPING(k, b) AS g, ", "GROUPING(b) AS g, "])
        where = self.one([self.where("t", 0.4), " WHERE t.i > 1000"])
        having = self.one(["", "", " HAVING COUNT(*) > 2", " HAVING COUNT(*) = 0", " HAVING FALSE"])
        return f"SELECT k, b, {shown}{self.aggregate('t')} AS a FROM t{where} GROUP BY {keys}{having}"

    def query_without_keys(self):
        where = self.one([self.where("t", 0.5), " WHERE t.i > 1000"])
        having = self.one(["", " HAVING FALSE", " HAVING COUNT(*) = 0", " HAVING MAX(t.i) > 0"])
        return f"SELECT {self.aggregates(3, 't')} FROM t{where}{having}"

    def query_deep(self):
        """Levels that each read the one below twice: planned in each place that reads it, they would double by the level."""
        step = self.one([
            "SELECT k, ts, x + x AS x FROM {below}",
            "SELECT k, ts, x + x - 1 AS x FROM {below} WHERE x IS NOT NULL OR k > {level}",
            "SELECT a.k, a.ts, a.x FROM {below} a WHERE a.x IN (SELECT b.x FROM {below} b)",
            "SELECT k, ts, x FROM {below} WHERE k > {level} UNION ALL SELECT k, ts, x FROM {below} WHERE k <= {level}",
            "SELECT a.k, a.ts, a.x + b.n AS x FROM {below} a JOIN (SELECT k, COUNT(*) AS n FROM {below} GROUP BY k) b ON a.k = b.k",
        ])
        levels = self.upto(24, 12) if "x + x" in step else self.upto(9, 4)
        last = self.one(["", " WHERE x > 3", " WHERE x = 4 OR x > 20", " WHERE x IS NULL"])
        with_ = "".join(f", c{n} AS ({step.format(below=f'c{n - 1}', level=n % 5)})" for n in range(1, levels))
        query = f"WITH c0 AS (SELECT t.k, t.ts, t.i AS x FROM t){with_} SELECT ts, x FROM c{levels - 1}{last}"
        # DuckDB puts what is computed below into what is above, twice in each level.
        return query, query.replace(" AS (SELECT", " AS MATERIALIZED (SELECT")

    def query_decimals(self):
        """Casts that round, ties among them; quotients with more places than DuckDB's DOUBLE has digits."""
        exact = lambda: self.one(["CAST(t.i AS DECIMAL(12, 2))", "CAST(t.f AS DECIMAL(14, 4))", "CAST(t.k AS DECIMAL(5, 1))"])
        point = lambda: self.one(["1.1", "0.25", "-2.50", "3.0", "10.005", ".5"])
        columns = (
            lambda: f"CAST(CAST(t.f AS DECIMAL(14, 4)) AS DECIMAL(12, {self.upto(3)}))",
            lambda: f"CAST(t.i AS DECIMAL(12, 2)) / NULLIF(CAST(t.k AS DECIMAL(18, 0)), 0)",
            lambda: f"CAST(t.i AS DECIMAL(12, 2)) * CAST(t.f AS DECIMAL(14, 4))",
            lambda: f"CAST(t.f AS DECIMAL(14, 4)) {self.one('+-')} CAST(t.i AS DECIMAL(12, 2))",
            # Literals beside DECIMALs are such.
            lambda: f"{exact()} {self.one('+-*')} {point()}",
            lambda: f"{point()} {self.one('+-*')} {exact()}",
            lambda: f"COALESCE({exact()}, {point()}) * {point()}",
            lambda: f"CASE WHEN {exact()} {self.one(['<', '>=', '=', '<>'])} {point()} THEN {exact()} ELSE {point()} END",
            lambda: f"{exact()} {self.one(['', 'NOT '])}IN ({point()}, {point()}, 2.50)",
            lambda: f"{exact()} BETWEEN {point()} AND {point()}",
        )
        return f"SELECT t.k, {self.made(*columns)} AS x, {self.made(*columns)} AS y FROM t{self.where('t', 0.4)}"

    def query_intervals(self):
        """Intervals as keys: those of one length are one, whatever they are made of."""
        of = lambda a: self.made(
            f"MOD({a}.k, 9) * INTERVAL '12' HOUR",
            f"CASE WHEN {a}.b THEN INTERVAL '1' DAY ELSE MOD({a}.k, 9) * INTERVAL '24' HOUR END",
            f"CASE WHEN {a}.i > 0 THEN INTERVAL '1' MONTH WHEN {a}.b THEN MOD({a}.k, 9) * INTERVAL '360' HOUR ELSE INTERVAL '30' DAY END",
        )
        rows = f"(SELECT t.k, t.i, {of('t')} AS x FROM t{self.where('t', 0.4)}) r"
        others, sets = f"SELECT {of('u')} AS x FROM u", self.one(["UNION", "INTERSECT", "INTERSECT ALL", "EXCEPT", "EXCEPT ALL"])
        return self.one([
            f"SELECT COUNT(*) AS n, SUM(i) AS total FROM {rows} GROUP BY x",
            f"SELECT k, COUNT(DISTINCT x) AS n FROM {rows} GROUP BY k",
            f"SELECT COUNT(*) AS n FROM (SELECT DISTINCT k, x FROM {rows}) d",
            f"SELECT COUNT(*) AS n FROM (SELECT x FROM {rows} {sets} {others}) d",
            f"SELECT k, i, n FROM (SELECT k, i, RANK() OVER (PARTITION BY x ORDER BY i NULLS FIRST) AS n FROM {rows}) d WHERE n <= 3",
            f"SELECT r.k, r.i FROM {rows} WHERE r.x IN ({others})",
        ])

    def query_grouped_twice(self):
        below = f"SELECT t.k, {self.one(['t.s', 't.b'])} AS z, COUNT(*) AS n, SUM(t.i) AS total FROM t{self.where('t')} GROUP BY t.k, z"
        return f"SELECT n, COUNT(*) AS m, SUM(total) AS total FROM ({below}) x GROUP BY n"

    def query_tumble(self):
        size, keys, shown = self.one([5, 7, 10]), self.one(["", "k, ", "b, "]), self.aggregates(3, "x")
        where = self.where("x")
        ours = f"TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '{size}' SECOND)) x{where} GROUP BY {keys}window_start, window_end"
        bucket = f"time_bucket(INTERVAL '{size} seconds', ts, TIMESTAMP '1970-01-01')"
        theirs = f"(SELECT *, {bucket} AS window_start FROM t) x{where} GROUP BY {keys}window_start"
        return tuple(f"SELECT {keys}window_start, {shown} FROM {source}" for source in (ours, theirs))

    def query_hop(self):
        (size, slide), shown = self.one([(10, 5), (9, 3), (8, 4), (10, 2)]), self.aggregates(2, "x")
        ours = f"TABLE(HOP(TABLE t, DESCRIPTOR(ts), INTERVAL '{slide}' SECOND, INTERVAL '{size}' SECOND)) x GROUP BY k, window_start, window_end"
        bucket = f"time_bucket(INTERVAL '{slide} seconds', ts, TIMESTAMP '1970-01-01') - INTERVAL '1 second' * ({slide} * o)"
        theirs = f"(SELECT *, {bucket} AS window_start FROM t, range({size // slide}) r(o)) x GROUP BY k, window_start"
        return tuple(f"SELECT k, window_start, {shown} FROM {source}" for source in (ours, theirs))

    def query_cumulate(self):
        (step, size), shown = self.one([(2, 10), (5, 10), (3, 9)]), self.aggregates(2, "x")
        ours = f"TABLE(CUMULATE(TABLE t, DESCRIPTOR(ts), INTERVAL '{step}' SECOND, INTERVAL '{size}' SECOND)) x GROUP BY k, window_start, window_end"
        start = f"time_bucket(INTERVAL '{size} seconds', ts, TIMESTAMP '1970-01-01')"
        windows = f"SELECT *, {start} AS window_start, {start} + INTERVAL '1 second' * ({step} * (o + 1)) AS window_end FROM t, range({size // step}) r(o)"
        theirs = f"(SELECT * FROM ({windows}) WHERE ts < window_end) x GROUP BY k, window_start, window_end"
        return tuple(f"SELECT k, window_start, window_end, {shown} FROM {source}" for source in (ours, theirs))

    def query_versions(self):
        """Each row with the version of its time."""
        kind, where = self.one(["", "LEFT "]), self.where("t", 0.3)
        shown = f"SELECT t.ts, t.k, y.i AS yi, y.s AS ys, y.ts AS since, {self.number('t', 1)} AS x"
        return (
            f"{shown} FROM t {kind}JOIN v FOR SYSTEM_TIME AS OF t.ts AS y ON t.k = y.k{where}",
            f"{shown} FROM t ASOF {kind}JOIN v y ON t.k = y.k AND t.ts >= y.ts{where}",
        )

    def query_session(self):
        gap, shown = self.upto(4, 1), "COUNT(*) AS n, SUM(i) AS total"
        ours = f"""SELECT k, window_start, window_end, {shown}
            FROM TABLE(SESSION(TABLE t PARTITION BY k, DESCRIPTOR(ts), INTERVAL '{gap}' SECOND)) GROUP BY k, window_start, window_end"""
        opens = f"CASE WHEN ts - LAG(ts) OVER (PARTITION BY k ORDER BY ts) <= INTERVAL '{gap} seconds' THEN 0 ELSE 1 END AS opens"
        theirs = f"""SELECT k, MIN(ts) AS window_start, MAX(ts) + INTERVAL '{gap} seconds' AS window_end, {shown} FROM (
            SELECT *, SUM(opens) OVER (PARTITION BY k ORDER BY ts) AS session FROM (SELECT *, {opens} FROM t)) GROUP BY k, session"""
        return ours, theirs

    def query_items(self):
        kind = self.one(["CROSS JOIN UNNEST(ARRAY[t.i, t.k, 7]) AS u (item)", ", UNNEST(ARRAY[t.k, {}]) AS u (item)"])
        rows = f"t {kind.format(self.number('t', 1))}"
        if self.often(0.5):
            return f"SELECT u.item, COUNT(*) AS n, SUM(t.i) AS x FROM {rows}{self.where('t', 0.4)} GROUP BY u.item"
        return f"SELECT t.k, t.s, u.item FROM {rows}{self.where('t', 0.4)}"

    def query_join(self):
        a, b = self.one(["tu", "tw", "wu", "ut"])
        kind = self.one(["JOIN", "JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"])
        on = f"{a}.k = {b}.k" + self.one(["", "", f" AND {a}.i < {b}.i", f" AND {a}.i <> {b}.i", f" AND {a}.s = {b}.s"])
        if self.often(0.4):
            on += f" AND {self.condition(self.one([a, b]), 0)}"
        if self.often(0.3):
            return f"SELECT COUNT(*) AS n, SUM({a}.i) AS x, SUM({b}.i) AS y, COUNT({a}.k) AS z FROM {a} {kind} {b} ON {on}"
        return f"SELECT {self.values(3, [a, b])} FROM {a} {kind} {b} ON {on}{self.where(self.one([a, b]), 0.4)}"

    def query_join_of_three(self):
        second = self.one(["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"])
        on = self.one(["w.k = u.k", "w.k = t.k", "w.s = u.s AND w.k = t.k", "w.i = u.i"])
        return f"""SELECT {self.values(3, 'tuw')} FROM t {self.one(['JOIN', 'LEFT JOIN'])} u ON t.k = u.k AND {self.condition('u', 1)}
            {second} w ON {on}{self.where(self.one('tuw'))}"""

    def query_interval_join(self):
        kind = self.one(["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"])
        between = f"u.ts BETWEEN t.ts - INTERVAL '{self.upto(5)}' SECOND AND t.ts + INTERVAL '{self.upto(5)}' SECOND"
        more = f" AND {self.condition('u', 1)}" if self.often(0.4) else ""
        return f"SELECT t.k, t.i AS ti, u.i AS ui, t.ts AS tt, u.ts AS ut FROM t {kind} u ON t.k = u.k AND {between}{more}"

    def query_exists(self):
        negated = self.one(["", "NOT "])
        within = f"SELECT 1 FROM u WHERE u.k = t.k{self.one(['', ' AND u.i < t.i'])} AND {self.condition('u', 1)}"
        asked = self.one(
            [
                f"{negated}EXISTS ({within})",
                f"t.k {negated}IN (SELECT u.k FROM u{self.where('u')})",
                f"t.i {negated}IN (SELECT u.i FROM u WHERE u.i IS NOT NULL)",
                f"t.s {negated}IN (SELECT u.s FROM u{self.where('u')})",
                "t.i > (SELECT AVG(u.i) FROM u)",
            ]
        )
        return f"SELECT t.k, t.s, t.i FROM t WHERE {asked} {self.one(['AND', 'OR'])} {self.condition('t', 1)}"

    def query_subquery_of_the_row(self):
        answer = self.one(["MAX(u.i)", "COUNT(*)", "COUNT(DISTINCT u.s)", "SUM(u.i)"])
        found = f"(SELECT {answer} FROM u WHERE u.k = t.k AND {self.condition('u', 1)})"
        if self.often(0.5):
            return f"SELECT t.k, t.i, {found} AS found FROM t{self.where('t', 0.4)}"
        return f"SELECT t.k, t.i FROM t WHERE t.i >= {found}"

    def query_sets(self):
        some = lambda: self.one(["UNION", "UNION ALL", "INTERSECT", "EXCEPT"])
        one = lambda a, columns: f"SELECT {columns} FROM {a}{self.where(a, 0.3)}"
        if self.often(0.5):
            return f"{one('t', 'k, b')} {some()} ({one('u', 'k, b')} {some()} {one('w', 'k, b')})"
        columns = self.one(["k", "s", "k, s", "b, k"])
        # The list of either side may be a star.
        side = lambda a: self.one(["{}", "SELECT * FROM ({}) q", "SELECT q.* FROM ({}) q"]).format(one(a, columns))
        return f"{side('t')} {self.one([some(), 'INTERSECT ALL', 'EXCEPT ALL'])} {side('u')}"

    def query_wide_decimals(self):
        """DECIMALs compared of which no DECIMAL of 38 digits holds both. DuckDB has no such, and compares twice the numbers as BIGINTs."""
        a, b = self.one(["tu", "tw", "ut"])
        great = "12345678901234567890123456789012345678"
        left = (f"CASE WHEN {a}.b THEN CAST('{great}' AS DECIMAL(38, 0)) ELSE CAST({a}.k AS DECIMAL(38, 0)) END", f"CASE WHEN {a}.b THEN 1000000000000 ELSE {a}.k * 2 END")
        right = self.one([
            (f"CAST({b}.k AS DECIMAL(38, 20))", f"{b}.k * 2"),
            (f"(CAST({b}.k AS DECIMAL(38, 20)) + CAST(0.5 AS DECIMAL(2, 1)))", f"({b}.k * 2 + 1)"),
            (f"CAST({b}.k AS DECIMAL(30, 2))", f"{b}.k * 2"),
        ])
        op = self.one(["=", "<>", "<", "<=", ">", ">=", "IS DISTINCT FROM"])
        holds = self.one([
            lambda x, y: f"{x} {op} {y}",
            lambda x, y: f"{y} {op} {x}",
            lambda x, y: f"{x} BETWEEN {y} AND {y}",
            lambda x, y: f"{x} NOT IN ({y}, 5)",
            lambda x, y: f"CASE {x} WHEN {y} THEN TRUE ELSE {x} > {y} END",
            lambda x, y: f"LEAST({x}, {y}) < {y}",
        ])
        query = self.one([
            f"SELECT {a}.k, {b}.k AS other FROM {a} {self.one(['JOIN', 'LEFT JOIN'])} {b} ON {a}.s = {b}.s AND {{}}",
            f"SELECT {a}.k, {b}.k AS other FROM {a} JOIN {b} ON {{}} AND {a}.i < {b}.i",
            f"SELECT {a}.k FROM {a} WHERE EXISTS (SELECT 1 FROM {b} WHERE {{}})",
            f"SELECT {a}.k, (SELECT COUNT(*) FROM {b} WHERE {{}}) AS n FROM {a}",
        ])
        sides = zip(left, right)
        # Twice 5 where numbers are twice as great.
        ours, theirs = (query.format(f"({holds(x, y)})") for x, y in sides)
        return (ours, theirs.replace(", 5)", ", 10)"))

    def query_ranked(self):
        number, partition = self.one(["RANK", "DENSE_RANK", "ROW_NUMBER"]), self.one(["PARTITION BY k ", "PARTITION BY s, b ", ""])
        order = self.one(["i NULLS FIRST", "i DESC NULLS FIRST", "f DESC NULLS FIRST, i NULLS FIRST", "s NULLS FIRST, i DESC NULLS FIRST"])
        order += ", ts" if number == "ROW_NUMBER" else ""
        ranked = f"SELECT t.*, {number}() OVER ({partition}ORDER BY {order}) AS r FROM t{self.where('t', 0.4)}"
        return f"SELECT k, s, i, f, b, ts, r FROM ({ranked}) x WHERE r <= {self.upto(4, 1)}"

    def query_first(self):
        order = self.one(["ts", "ts DESC", "i NULLS FIRST, ts", "s DESC NULLS LAST, ts"])
        return f"SELECT k, i, ts FROM t{self.where('t', 0.4)} ORDER BY {order} LIMIT {self.upto(5, 1)}"

    def query_over(self):
        frame = self.made(
            lambda: f"ROWS BETWEEN {self.upto(4)} PRECEDING AND CURRENT ROW",
            "ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW",
            lambda: f"RANGE BETWEEN INTERVAL '{self.upto(9, 1)}' SECOND PRECEDING AND CURRENT ROW",
        )
        call = self.one(["SUM(i)", "COUNT(*)", "MIN(i)", "MAX(s)", "AVG(i)", "COUNT(i)", "SUM(f)"])
        over = f"{call} OVER (PARTITION BY {self.one('ksb')} ORDER BY ts {frame})"
        nulls = self.one(["", "", " IGNORE NULLS"])
        read = self.one(["i", "s", "i, 1, 7"] if nulls else ["i", "s", "i, 2"])
        lag = f"LAG({read}{nulls}) OVER (PARTITION BY {self.one('kb')} ORDER BY ts)"
        return f"SELECT k, ts, {self.one([over, lag])} AS x FROM t{self.where('t', 0.3)}"
