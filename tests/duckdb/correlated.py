"""Random queries with subqueries that read the row outside, LATERAL, joins by names and VALUES, over the tables t, u and w.

Inner relations share their columns' names with those outside, so that a column that is taken for another one shows. What is
compared is nullable; `ts` is not, and no two rows of a table have one. DuckDB compares rows as structs, NULLs and all, so
rows in IN are written out for it.
"""

import re

from queries import Queries


def exists(text):
    """A query with ANY and ALL spelled out by EXISTS: DuckDB's own are not always that."""
    while found := re.search(r"([\w.]+) (<=|>=|<>|<|>|=) (ANY|ALL) \(", text):
        end, depth = found.end(), 1
        while depth:
            depth += {"(": 1, ")": -1}.get(text[end], 0)
            end += 1
        some = f"EXISTS (SELECT 1 FROM ({text[found.end() : end - 1]}) q WHERE ({found[1]} {found[2]} q.z0) IS"
        sure, other = ("TRUE", "FALSE") if found[3] == "ANY" else ("FALSE", "TRUE")
        text = f"{text[: found.start()]}(CASE WHEN {some} {sure}) THEN {sure} WHEN {some} NULL) THEN NULL ELSE {other} END){text[end:]}"
    return text


def shown_as(column):
    """What a column of a list is called."""
    return column.split(" AS ")[-1].split(".")[-1]


class Correlated(Queries):
    """A seeded source of such queries."""

    prefixes = ("nested_",)

    def __init__(self, seed):
        super().__init__(seed)
        self.fresh = 0

    def next(self):
        made = super().next()
        by = lambda found: f"ORDER BY {', '.join(f'{n} NULLS FIRST' for n in range(1, int(found[2]) + 1))} {found[1]}"
        made.theirs = exists(re.sub(r"(LIMIT \d+) /\* least of (\d+) \*/", by, made.theirs))
        return made

    def alias(self):
        """A table and a name for it: often its own, which relations outside may have too."""
        table = self.one("tuw")
        self.fresh += 1
        if self.often(0.15):
            # As columns are called, here and in what is read further in.
            name = self.one(["k", "s", "i", "f", "b", "ts", "x", "a"])
            return f"{table} AS {name}", name
        return (table, table) if self.often(0.4) else (f"{table} x{self.fresh}", f"x{self.fresh}")

    def inner(self, outside):
        """A relation that does not hide those outside."""
        while True:
            relation, name = self.alias()
            if name not in outside:
                return relation, name

    def tie(self, a, outside):
        """How rows of `a` belong to a row outside: mostly by equality."""
        o = self.one(outside)
        return self.one(
            [f"{a}.k = {o}.k"] * 4
            + [f"{o}.i = {a}.i", f"{a}.s = {o}.s", f"{a}.k = {o}.k AND {a}.i < {o}.i", f"{a}.i > {o}.i", f"{a}.k <> {o}.k"]
            + [f"{a}.k + 1 = {o}.k", f"{a}.k IS NOT DISTINCT FROM {o}.k", f"({a}.k = {o}.k OR {o}.b)", f"{a}.ts <= {o}.ts", f"{a}.k = {o}.k AND {a}.s = {o}.s"]
        )

    def more(self, a, share=0.4):
        return f" AND {self.condition(a, 1)}" if self.often(share) else ""

    def source(self, outside, columns, depth):
        """A SELECT of `columns` expressions of a type each ("k", "s"), that reads rows outside."""
        shown = lambda names: ", ".join(f"{self.one(names)}.{column} AS z{n}" for n, column in enumerate(columns))
        makers = [self.of_one] * 4 + [self.of_two] * 3 + [self.of_union, self.of_groups, self.of_groups, self.of_distinct, self.of_first, self.of_derived]
        return self.one(makers)(outside, columns, depth, shown)

    def ties(self, a, outside, depth):
        tie = self.tie(a, outside) if self.often(0.85) else self.condition(a, 1)
        if depth > 0 and self.often(0.3):
            tie += f" AND {self.asked([*outside, a], depth - 1)}"
        return tie + self.more(a)

    def of_one(self, outside, columns, depth, shown):
        relation, a = self.inner(outside)
        return f"SELECT {shown([a])} FROM {relation} WHERE {self.ties(a, outside, depth)}"

    def of_two(self, outside, columns, depth, shown):
        left, a = self.inner(outside)
        right, b = self.inner([*outside, a])
        kind = self.one(["JOIN", "JOIN", "LEFT JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"])
        on = self.one([f"{a}.k = {b}.k", f"{a}.i = {b}.i", f"{a}.k = {b}.k AND {a}.s = {b}.s"])
        # On the side that may be missing, too.
        if kind in ("JOIN", "LEFT JOIN", "RIGHT JOIN") and self.often(0.5):
            on += f" AND {self.tie(self.one([a, b]), outside)}"
        where = f" WHERE {self.ties(self.one([a, b]), outside, depth)}" if self.often(0.7) else ""
        return f"SELECT {shown([a, b])} FROM {left} {kind} {right} ON {on}{where}"

    def of_union(self, outside, columns, depth, shown):
        one, other = (self.of_one(outside, columns, 0, shown) for _ in range(2))
        return f"{one} {self.one(['UNION', 'UNION ALL', 'INTERSECT', 'EXCEPT'])} {other}"

    def of_groups(self, outside, columns, depth, shown):
        relation, a = self.inner(outside)
        calls = ", ".join(f"{self.one(['MIN', 'MAX'])}({a}.{column}) AS z{n}" for n, column in enumerate(columns))
        grouped = self.one(["", f" GROUP BY {a}.b", f" GROUP BY {a}.s HAVING COUNT(*) > 1"])
        return f"SELECT {calls} FROM {relation} WHERE {self.ties(a, outside, depth)}{grouped}"

    def of_distinct(self, outside, columns, depth, shown):
        return self.of_one(outside, columns, depth, shown).replace("SELECT", "SELECT DISTINCT", 1)

    def of_first(self, outside, columns, depth, shown):
        relation, a = self.inner(outside)
        if self.often(0.3):
            return f"SELECT {shown([a])} FROM {relation} WHERE {self.ties(a, outside, 0)} {self.least(len(columns), self.upto(3, 1))}"
        order = self.one([f"{a}.ts", f"{a}.ts DESC", f"{a}.i NULLS FIRST, {a}.ts"])
        return f"SELECT {shown([a])} FROM {relation} WHERE {self.ties(a, outside, 0)} ORDER BY {order} LIMIT {self.upto(3, 1)}"

    def least(self, columns, rows):
        """A limit without an order, which DuckDB has to be told."""
        return f"LIMIT {rows} /* least of {columns} */"

    def of_derived(self, outside, columns, depth, shown):
        below = self.of_one(outside, ["k", *columns], depth, lambda names: ", ".join(f"{names[0]}.{c} AS y{n}" for n, c in enumerate(["k", *columns])))
        return f"SELECT {', '.join(f'y.y{n + 1} AS z{n}' for n in range(len(columns)))} FROM ({below}) y WHERE y.y0 > {self.upto(3)}"

    def number_of(self, outside, depth):
        """A subquery that is one number for each row outside."""
        relation, a = self.inner(outside)
        call = self.one(["COUNT(*)", f"COUNT({a}.i)", f"SUM({a}.i)", f"MAX({a}.i)", f"COUNT(DISTINCT {a}.s)", f"COUNT(*) + COALESCE(MIN({a}.i), 7)", f"COALESCE(SUM({a}.k), 0)"])
        if self.often(0.15):
            o = self.one(outside)
            call = self.one([f"SUM({a}.i + {o}.i)", f"MAX({a}.k * {o}.k)", f"COUNT(*) FILTER (WHERE {a}.i > {o}.i)"])
        if self.often(0.2):
            if self.often(0.4):
                return f"(SELECT {self.one([f'{a}.i', f'{a}.k + 1', f'{a}.i * {a}.k'])} FROM {relation} WHERE {self.ties(a, outside, depth)} {self.least(1, 1)})"
            order = self.one([f"{a}.ts", f"{a}.ts DESC"])
            return f"(SELECT {a}.i FROM {relation} WHERE {self.ties(a, outside, 0)} ORDER BY {order} LIMIT 1)"
        if self.often(0.25):
            right, b = self.inner([*outside, a])
            kind = self.one(["JOIN", "LEFT JOIN"])
            return f"(SELECT {call} FROM {relation} {kind} {right} ON {a}.k = {b}.k AND {self.tie(b, outside)})"
        return f"(SELECT {call} FROM {relation} WHERE {self.ties(a, outside, depth)})"

    def asked(self, outside, depth):
        """A condition on a row outside that asks a subquery."""
        o, negated = self.one(outside), self.one(["", "NOT "])
        column = self.one("kis")
        number = self.one("ki")
        return self.made(
            lambda: f"{negated}EXISTS ({self.source(outside, ['k'], depth)})",
            lambda: f"{o}.{column} {negated}IN ({self.source(outside, [column], depth)})",
            lambda: f"{o}.{number} {self.one(['<', '<=', '>', '>=', '=', '<>'])} {self.one(['ANY', 'ALL'])} ({self.source(outside, [number], depth)})",
            lambda: f"{o}.i {self.one(['<', '>=', '='])} {self.number_of(outside, depth)}",
        )

    def condition_of(self, outside, depth=1):
        asked = self.asked(outside, depth)
        if self.often(0.5):
            return asked
        other = self.made(lambda: self.condition(outside[0], 1), lambda: self.asked(outside, 0))
        return f"{self.one(['', 'NOT '])}({asked} {self.one(['AND', 'OR'])} {other})"

    # Queries.

    def nested_where(self):
        # A column under the name of one that the subquery compares.
        shown = self.one(["t.k, t.s, t.i", "t.i AS k, t.k AS i", "t.ts, t.k AS s"])
        return f"SELECT {shown} FROM t WHERE {self.condition_of(['t'])}"

    def nested_joined(self):
        relation = f"{self.one('tuw')} v"
        return f"SELECT t.k, t.i, v.i AS vi FROM t {self.one(['JOIN', 'LEFT JOIN'])} {relation} ON t.k = v.k AND t.i < v.i WHERE {self.condition_of(['t', 'v'])}"

    def nested_selected(self):
        return f"SELECT t.ts, {self.asked(['t'], 1)} AS x, t.k FROM t{self.where('t', 0.3)}"

    def nested_value(self):
        return f"SELECT t.ts, {self.number_of(['t'], 1)} AS x, {self.number_of(['t'], 0)} AS y FROM t{self.where('t', 0.3)}"

    def nested_grouped(self):
        return f"SELECT t.k, COUNT(*) AS n FROM t WHERE {self.asked(['t'], 0)} GROUP BY t.k HAVING COUNT(*) > (SELECT COUNT(*) FROM u WHERE u.k = t.k)"

    def nested_keyed(self):
        """A grouping by what is computed, which subqueries read where it is shown, in HAVING and in ORDER BY."""
        key = self.one(["t.k + 1", "t.k * 2", "t.k - t.i", "COALESCE(t.k, 7)", "CASE WHEN t.b THEN t.k ELSE 2 END"])
        relation, a = self.inner(["t", "g"])
        call = self.one(["COUNT(*)", f"MAX({a}.i)", f"SUM({a}.i) + COUNT({a}.k)"])
        tie = self.one([f"{a}.k = {{0}}", f"{a}.k < {{0}}", f"{a}.k IN (SELECT z.k + 1 FROM w z WHERE z.k <> {{0}})", f"{{0}} IS NOT DISTINCT FROM {a}.k"])
        value = f"(SELECT {call} FROM {relation} WHERE {tie}{self.more(a)})"
        where = self.where("t", 0.3)
        having = self.one(["", "", f"COUNT(*) > {value}", f"EXISTS (SELECT 1 FROM {relation} WHERE {tie})"])
        shown = self.one([f"{value} AS m, ", f"{value} + COUNT(*) AS m, ", f"EXISTS (SELECT 1 FROM {relation} WHERE {tie}) AS m, ", ""])
        last = self.one(["", "", f" ORDER BY {value} NULLS FIRST, {{0}} NULLS FIRST LIMIT {self.upto(4, 1)}"])
        ours = f"SELECT {key} AS x, {shown}COUNT(*) AS n FROM t{where} GROUP BY {key}{having and ' HAVING '}{having}{last}"
        theirs = f"SELECT b AS x, {shown}n FROM (SELECT {key} AS b, COUNT(*) AS n FROM t{where} GROUP BY ALL) g{having and ' WHERE '}{having}{last}"
        return ours.replace("{0}", key), theirs.replace("{0}", "g.b").replace(" + COUNT(*) AS m", " + n AS m").replace("WHERE COUNT(*) >", "WHERE n >")

    def nested_ordered(self):
        """The first rows, in an order that subqueries say, of columns that are shown and others."""
        value, shown, where = self.number_of(["t"], 0), self.one(["t.ts, t.k AS q", "t.ts, t.s AS k, t.k AS i", "t.k, t.ts AS at", "t.i AS z, t.ts"]), self.where("t", 0.3)
        order, rows = self.one(["NULLS FIRST", "DESC NULLS LAST"]), self.upto(5, 1)
        theirs = ", ".join(f"c{n} AS {shown_as(column)}" for n, column in enumerate(shown.split(", ")))
        columns = ", ".join(f"{column.split(' AS ')[0]} AS c{n}" for n, column in enumerate(shown.split(", ")))
        return (
            f"SELECT {shown} FROM t{where} ORDER BY {value} {order}, t.ts LIMIT {rows}",
            f"SELECT {theirs} FROM (SELECT {columns}, t.ts AS since, {value} AS o FROM t{where}) y ORDER BY o {order}, since LIMIT {rows}",
        )

    def nested_aggregated(self):
        return f"SELECT t.b, SUM({self.number_of(['t'], 0)}) AS x, COUNT(*) FILTER (WHERE {self.asked(['t'], 0)}) AS y FROM t GROUP BY t.b"

    def nested_named_as_columns(self):
        """The rows outside under the name of a column of those inside."""
        name = self.one(["k", "s", "i", "f", "b", "ts", "x", "m", "a"])
        table = self.one("tuw")
        return f"SELECT {name}.ts AS at, {self.asked([name], 1)} AS z, {name}.k AS y FROM {table} AS {name} WHERE {self.condition_of([name])}"

    def nested_constants(self):
        """Queries that read nothing."""
        return self.made(
            f"SELECT {self.upto(4)} AS k, 'a' AS s UNION ALL SELECT t.k, t.s FROM t{self.where('t', 0.5)}",
            f"SELECT t.k FROM t {self.one(['EXCEPT', 'INTERSECT', 'UNION'])} SELECT {self.upto(4)}",
            f"SELECT t.ts FROM t WHERE t.k {self.one(['', 'NOT '])}IN (SELECT {self.upto(4)} UNION ALL SELECT {self.upto(4)})",
            f"SELECT t.ts, x.a FROM t {self.one(['JOIN', 'LEFT JOIN', 'RIGHT JOIN'])} (SELECT {self.upto(4)} AS a) x ON t.k = x.a",
            f"SELECT x.a, (SELECT COUNT(*) FROM t WHERE t.k = x.a) AS n FROM (SELECT {self.upto(4)} AS a) x",
            lambda: f"SELECT t.ts, t.k FROM t WHERE EXISTS (SELECT 1 WHERE {self.condition('t', 1)})",
        )

    def nested_on_both_sides(self):
        """An outer join in a subquery that asks in ON of both sides and of the row outside."""
        kind = self.one(["LEFT JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"])
        on = self.one(["x.k = y.k AND x.i < t.i AND y.i > t.k", "x.k = y.k AND y.i + x.i > t.i", "x.k = y.k AND (x.k = t.k OR y.i = t.i)"])
        call = self.one(["COUNT(*)", "COUNT(y.i)", "SUM(x.i)", "MAX(y.i)"])
        return f"SELECT t.ts, (SELECT {call} FROM u x {kind} w y ON {on} WHERE x.k = t.k OR x.k IS NULL) AS z FROM t{self.where('t', 0.3)}"

    def nested_on(self):
        return f"SELECT t.ts, v.i AS vi FROM t LEFT JOIN w v ON t.k = v.k AND {self.asked([self.one('tv')], 0)}"

    def nested_lateral(self):
        query = self.made(
            lambda: self.source(["t"], ["k", "s"], 1),
            lambda: f"SELECT {self.one(['COUNT(*)', 'MAX(u.i)', 'SUM(u.i)'])} AS z0, MIN(u.s) AS z1 FROM u WHERE {self.tie('u', ['t'])}",
            "SELECT t.k + 1 AS z0, t.s AS z1",
            "SELECT * FROM (VALUES (t.k, t.s), (t.i, 'x')) y(z0, z1)",
        )
        if self.often(0.5):
            return f"SELECT t.ts, l.z0, l.z1 FROM t CROSS JOIN LATERAL ({query}) l"
        return f"SELECT t.ts, l.z0, l.z1 FROM t LEFT JOIN LATERAL ({query}) l ON {self.one(['TRUE', 'TRUE', 't.k = l.z0'])}"

    def nested_rows(self):
        relation, a = self.inner(["t"])
        tie = f"({self.ties(a, ['t'], 0)})"
        ours = f"(t.k, t.s) IN (SELECT {a}.k, {a}.s FROM {relation} WHERE {tie})"
        theirs = f"EXISTS (SELECT 1 FROM {relation} WHERE {tie} AND {a}.k = t.k AND {a}.s = t.s)"
        if self.often(0.4):
            ours = ours.replace(" IN (", " NOT IN (", 1)
            theirs = f"NOT EXISTS (SELECT 1 FROM {relation} WHERE {tie} AND ({a}.k = t.k AND {a}.s = t.s) IS NOT FALSE)"
        return tuple(f"SELECT t.ts, t.k FROM t WHERE {asked}" for asked in (ours, theirs))

    def nested_named_join(self):
        a, b = self.one(["tu", "uw", "wt"])
        kind = self.one(["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"])
        columns = self.one(["k", "k", "k, s", "k, b"])
        shown = self.one([f"{columns}, {a}.i AS x, {b}.i AS y", f"{a}.k AS x, {b}.k AS y, k", f"k, {a}.ts AS x, {b}.ts AS y", "k, COUNT(*) AS n"])
        where = self.one(["", " WHERE k > 1", " WHERE k IS NOT NULL", f" WHERE EXISTS (SELECT 1 FROM w z WHERE z.k = {a}.k)"])
        if self.often(0.3):
            c = self.one([name for name in "tuw" if name not in (a, b)])
            return f"SELECT k, {a}.i AS x, {c}.i AS y FROM {a} {kind} {b} USING (k) {self.one(['JOIN', 'LEFT JOIN', 'RIGHT JOIN', 'FULL JOIN'])} {c} USING (k)"
        if self.often(0.25):
            one, other = (f"(SELECT k, {name}.i AS i{name}, s FROM {name}{self.where(name, 0.3)}) {name}" for name in (a, b))
            return f"SELECT * FROM {one} NATURAL {kind} {other}"
        grouped = " GROUP BY k" if "COUNT" in shown else ""
        return f"SELECT {shown} FROM {a} {kind} {b} USING ({columns}){where}{grouped}"

    def nested_values(self):
        rows = ", ".join(f"({self.upto(5)}, '{self.one(['a', 'b', 'x'])}')" for _ in range(self.upto(4, 1)))
        numbers = ", ".join(f"({self.upto(5)})" for _ in range(self.upto(3, 1)))
        return self.made(
            f"SELECT t.ts, v.z FROM t {self.one(['JOIN', 'LEFT JOIN'])} (VALUES {rows}) v(y, z) ON v.y = t.k",
            f"SELECT t.ts FROM t WHERE t.k {self.one(['', 'NOT '])}IN (VALUES {numbers})",
            f"SELECT v.y, (SELECT COUNT(*) FROM t WHERE t.k = v.y) AS n FROM (VALUES {numbers}) v(y)",
        )

    def nested_first_of_each(self):
        order = self.one(["ts", "ts DESC", "i NULLS FIRST, ts", "i DESC NULLS FIRST, ts"])
        return f"SELECT DISTINCT ON (k) k, ts, i FROM t{self.where('t', 0.4)} ORDER BY k, {order}"

    def nested_withs(self):
        """WITH of one name in a query, in one inside it, and in one beside it; the name may be a table's."""
        name = self.one("xtuw")
        read = self.one([table for table in "tuw" if table != name])
        tables = [name, name, read] if name != "x" else [read]
        inside = lambda shown, of: f"WITH {name} AS (SELECT {shown} FROM {of}{self.where(of, 0.4) if of in 'tuw' else ''}) SELECT {shown} FROM {name}"
        own = self.one(tables)
        first = f"WITH {name} AS (SELECT k, i FROM {own}{self.where(own, 0.4)})"
        other = inside("k, s", read)
        return self.made(
            f"{first} SELECT k, i, s FROM {name} JOIN ({other}) y USING (k)",
            f"{first} SELECT * FROM {name} NATURAL {self.one(['JOIN', 'LEFT JOIN'])} ({other}) y",
            f"SELECT k, i, s FROM ({inside('k, i', own)}) y NATURAL JOIN ({other}) z",
            f"{first} SELECT k, i FROM {name} WHERE k {self.one(['', 'NOT '])}IN ({inside('k', read)}) AND i IN (SELECT i FROM {name})",
            f"{first} SELECT * FROM ({inside('k, i', name)}) y NATURAL JOIN ({other}) z",
        )
