"""Random queries of which some rows fail: divisions by zero, casts of what does not fit, whole numbers beyond their type, TRY.

An expression is a `Part`: ours, DuckDB's (of any value where ours fails, but never an error), and when ours fails. What counts is
what is looked at: of AND, OR and CASE only what the row needs, of a row that WHERE leaves out nothing behind WHERE. So DuckDB's
query leaves the failing rows out, and says how many there are: as many dead letters the sink has at each epoch.
"""

import dataclasses

from queries import Query, theirs
from values import Values


@dataclasses.dataclass
class Part:
    ours: str
    theirs: str
    fails: str = "FALSE"
    # When it fails as a condition of WHERE, if that is not the same: of conditions joined by AND each leaves rows out for the next.
    alone: str = ""


def either(*fails):
    return "(" + " OR ".join(fails) + ")"


class Failing(Values):
    """A seeded source of such queries."""

    prefixes = ("failing_",)

    def safe(self, of):
        return Part(of, theirs(of))

    def quotient(self, one, other, by="/"):
        """A division of whole numbers."""
        whole = f"({one.theirs} {'//' if by == '/' else '%'} NULLIF({other.theirs}, 0))"
        zero = f"({one.theirs} IS NOT NULL AND {other.theirs} = 0)"
        return Part(f"({one.ours} {by} {other.ours})", whole, either(one.fails, other.fails, zero))

    def tried(self, ours, wide, kind, *of):
        """What ours fails on where it does not fit a type. (DuckDB's TRY is not always right below COALESCE.)"""
        held = f"TRY_CAST({wide} AS {kind})"
        fits = "".join(f"{part.theirs} IS NOT NULL AND " for part in of) + f"{held} IS NULL"
        return Part(ours, held, either(*(part.fails for part in of), f"({fits})"))

    def part(self, a, depth):
        """A whole number."""
        if depth <= 0:
            # What fails whatever the row is refused.
            return self.safe(self.one([f"{a}.k", f"{a}.i"]))
        number, safe = lambda: self.part(a, depth - 1), lambda: self.safe(self.number(a, 0))
        return self.made(
            lambda: self.quotient(number(), self.safe(self.one([f"{a}.i", f"{a}.k", f"({a}.k - 3)", f"({a}.i + {self.upto(5)})", "0"]))),
            lambda: self.quotient(number(), self.safe(self.one([f"({a}.k - 3)", f"({a}.k - 1)"])), self.one("/%")),
            lambda: self.quotient(safe(), number()),
            lambda: self.quotient(number(), self.safe(self.one([f"ARRAY[{a}.k, {a}.i][{self.upto(3, 1)}]", f"POSITION('a' IN {a}.s)"]))),
            lambda: self.cast(number(), self.one(["TINYINT", "SMALLINT"])),
            lambda: self.read(a),
            lambda: self.great(number()),
            lambda: self.case(a, depth),
            lambda: self.attempt(number()),
            lambda: self.least(a),
            lambda: self.wider(self.quotient(self.wider(number()), self.safe(self.one([f"{a}.i", f"({a}.k - 3)"])))),
            lambda: self.plus(number(), safe()),
            lambda: self.coalesced(number(), number()),
            lambda: self.safe(self.number(a, depth)),
        )

    def cast(self, part, kind):
        made = self.tried(f"CAST({part.ours} AS {kind})", part.theirs, kind, part)
        made.theirs = f"CAST({made.theirs} AS BIGINT)"
        made.ours = f"CAST({made.ours} AS BIGINT)"
        return made

    def least(self, a):
        """A minus before the least number that there is."""
        column = self.one([f"{a}.k", f"{a}.i"])
        least = f"{column}::HUGEINT - 9223372036854775807 - {self.upto(5)}"
        of = Part(least.replace("::HUGEINT", ""), least)
        of.fails = f"({least} IS NOT NULL AND TRY_CAST({least} AS BIGINT) IS NULL)"
        return self.tried(f"-({of.ours})", f"-({least})", "BIGINT", of)

    def wider(self, part):
        """A cast that loses nothing, and is said where it is written."""
        return Part(f"CAST({part.ours} AS BIGINT)", part.theirs, part.fails)

    def read(self, a):
        kind = self.one(["BIGINT", "INT"])
        return self.tried(f"CAST({a}.x AS {kind})", f"{a}.x", kind, self.safe(f"{a}.x"))

    def great(self, part):
        """More than 64 bits have room for, of a number that is far from 0."""
        return self.tried(f"({part.ours} * 90000000000000000)", f"{part.theirs}::HUGEINT * 90000000000000000", "BIGINT", part)

    def plus(self, one, other):
        op = self.one("+-")
        return self.tried(f"({one.ours} {op} {other.ours})", f"{one.theirs}::HUGEINT {op} {other.theirs}", "BIGINT", one, other)

    def case(self, a, depth):
        when = self.holds(a, depth - 1)
        then, other = self.part(a, depth - 1), self.part(a, depth - 1)
        fails = either(when.fails, f"CASE WHEN {when.theirs} THEN {then.fails} ELSE {other.fails} END")
        return Part(f"CASE WHEN {when.ours} THEN {then.ours} ELSE {other.ours} END", f"CASE WHEN {when.theirs} THEN {then.theirs} ELSE {other.theirs} END", fails)

    def coalesced(self, one, other):
        fails = either(one.fails, f"({one.theirs} IS NULL AND {other.fails})")
        return Part(f"COALESCE({one.ours}, {other.ours})", f"COALESCE({one.theirs}, {other.theirs})", fails)

    def attempt(self, part):
        return Part(f"TRY({part.ours})", f"CASE WHEN {part.fails} THEN NULL ELSE {part.theirs} END")

    def holds(self, a, depth):
        """A condition."""
        if depth <= 0:
            return self.safe(self.condition(a, 0))
        op = self.one(["<", "<=", ">", ">=", "=", "<>"])
        return self.made(
            lambda: self.versus(self.part(a, depth), op, self.safe(self.number(a, 0))),
            lambda: self.versus(self.safe(self.number(a, 0)), op, self.part(a, depth)),
            lambda: self.both(a, depth),
            lambda: self.inverse(self.holds(a, depth - 1)),
            lambda: self.missing(self.part(a, depth)),
            lambda: self.between(self.part(a, depth), self.safe(self.number(a, 0)), self.safe(self.number(a, 0))),
            lambda: self.told(self.holds(a, depth - 1)),
            lambda: self.safe(self.condition(a, 1)),
        )

    def versus(self, one, op, other):
        return Part(f"{one.ours} {op} {other.ours}", f"{one.theirs} {op} {other.theirs}", either(one.fails, other.fails))

    def both(self, a, depth):
        return self.joined(self.holds(a, depth - 1), *self.one([("AND", "TRUE"), ("OR", "FALSE")]), self.holds(a, depth - 1))

    def joined(self, one, word, needed, other):
        # The other is looked at unless the first says it all.
        asked = f"COALESCE({one.theirs}, {needed}) = {needed}"
        fails = either(one.fails, f"({asked} AND {other.fails})")
        alone = either(one.alone or one.fails, f"(({one.theirs}) IS TRUE AND {other.alone or other.fails})") if word == "AND" else ""
        return Part(f"(({one.ours}) {word} ({other.ours}))", f"(({one.theirs}) {word} ({other.theirs}))", fails, alone)

    def inverse(self, part):
        return Part(f"NOT ({part.ours})", f"NOT ({part.theirs})", part.fails)

    def missing(self, part):
        return Part(f"({part.ours}) IS NULL", f"({part.theirs}) IS NULL", part.fails)

    def between(self, part, low, high):
        return Part(f"{part.ours} BETWEEN {low.ours} AND {high.ours}", f"{part.theirs} BETWEEN {low.theirs} AND {high.theirs}", part.fails)

    def told(self, part):
        words = self.one(["IS TRUE", "IS NOT FALSE", "IS NOT TRUE"])
        return Part(f"({part.ours}) {words}", f"({part.theirs}) {words}", part.fails)

    def certain(self, a, depth):
        """A condition that may fail; now and then one that does not, or that stands behind one that looks dearer than it."""
        if self.often(0.2):
            dear = self.safe(self.one([f"ABS({a}.i) > 2", f"UPPER({a}.s) = 'A'", f"{a}.s LIKE '%a%'", f"LENGTH({a}.s) < 3", f"COALESCE({a}.b, TRUE)"]))
            return self.joined(dear, "AND", "TRUE", self.holds(a, depth))
        return self.holds(a, depth) if self.often(0.6) else self.safe(self.one(["TRUE", f"{a}.k IS NOT NULL", f"{a}.i > -5"]))

    def rows(self, where, *parts):
        """Of a WHERE and what is computed behind it: theirs, the rows that are left, and when a row fails."""
        behind = either("FALSE", *(part.fails for part in parts))
        fails = either(where.alone or where.fails, f"(({where.theirs}) AND {behind})")
        return f"({where.theirs}) AND NOT COALESCE({fails}, FALSE)", f"COALESCE({fails}, FALSE)"

    # Queries: ours, theirs, how many rows fail.

    def failing_shown(self):
        parts, where = [self.part("t", 2) for _ in range(self.upto(3, 1))], self.certain("t", 2)
        if self.often(0.3):
            parts.append(self.holds("t", 2))
        left, fails = self.rows(where, *parts)
        shown = lambda side: ", ".join(f"{getattr(part, side)} AS c{n}" for n, part in enumerate(parts))
        return f"SELECT t.ts, {shown('ours')} FROM t WHERE {where.ours}", f"SELECT t.ts, {shown('theirs')} FROM t WHERE {left}", f"SELECT COUNT(*) FROM t WHERE {fails}"

    def failing_grouped(self):
        calls, parts = [], []
        for n in range(self.upto(3, 1)):
            part, call = self.part("t", 2), self.one(["SUM", "MIN", "MAX", "COUNT", "AVG", "COUNT(DISTINCT"])
            if self.often(0.25):
                asked = self.safe(self.condition("t", 0))
                parts.append(Part("", "", f"(({asked.theirs}) AND {part.fails})"))
                more = f" FILTER (WHERE {asked.ours})"
            else:
                parts.append(part)
                more = ""
            write = lambda side: f"{call}{' ' if '(' in call else '('}{getattr(part, side)}){more}"
            # A sum that 64 bits have no room for is NULL.
            held = f"TRY_CAST({write('theirs')} AS BIGINT)" if call == "SUM" else write("theirs")
            calls.append((f"{write('ours')} AS x{n}", f"{held} AS x{n}"))
        where, key = self.certain("t", 1), self.one([self.safe("t.k"), self.safe("t.b"), self.part("t", 2)])
        left, fails = self.rows(where, key, *parts)
        ours, others = (", ".join(call[side] for call in calls) for side in (0, 1))
        return (
            f"SELECT {key.ours} AS key, COUNT(*) AS n, {ours} FROM t WHERE {where.ours} GROUP BY {key.ours}",
            f"SELECT {key.theirs} AS key, COUNT(*) AS n, {others} FROM t WHERE {left} GROUP BY {key.theirs}",
            f"SELECT COUNT(*) FROM t WHERE {fails}",
        )

    def failing_having(self):
        """Groups fail, and cease to as they change."""
        over = self.one(["COUNT(*) - 2", "SUM(t.i)", "COUNT(t.i) - 3", "MAX(t.k) - 2", "MIN(t.i)"])
        quotient = f"(SUM(t.i)::BIGINT // NULLIF({over}, 0))"
        fails = f"COALESCE(SUM(t.i) IS NOT NULL AND {over} = 0, FALSE)"
        bound, key = self.upto(20, -20), self.one(["t.k", "t.s", "t.b"])
        ours = self.one([f"SUM(t.i) / ({over}) > {bound}", f"{bound} < SUM(t.i) / ({over})"])
        if self.often(0.5):
            return (
                f"SELECT {key} AS key, COUNT(*) AS n FROM t GROUP BY {key} HAVING {ours}",
                f"SELECT {key} AS key, COUNT(*) AS n FROM t GROUP BY {key} HAVING {quotient} > {bound} AND NOT {fails}",
                f"SELECT COUNT(*) FROM (SELECT {fails} AS fails FROM t GROUP BY {key}) x WHERE fails",
            )
        return (
            f"SELECT {key} AS key, SUM(t.i) / ({over}) AS x FROM t GROUP BY {key}",
            f"SELECT {key} AS key, {quotient} AS x FROM t GROUP BY {key} HAVING NOT {fails}",
            f"SELECT COUNT(*) FROM (SELECT {fails} AS fails FROM t GROUP BY {key}) x WHERE fails",
        )

    def failing_compared(self):
        """A row of a subquery fails once, however often it is compared."""
        part, where = self.part("y", 2), self.certain("y", 1)
        left, fails = self.rows(where, part)
        compared = self.one(["NOT IN", "IN", "> ALL", "<= ALL", "< ANY", "= ANY", "<> ALL"])
        asked = lambda value, holds: f"t.i {compared} (SELECT {value} FROM t AS y WHERE {holds})"
        shown = lambda asks: f"SELECT t.ts, {asks} AS x FROM t" if shows else f"SELECT t.ts, t.i FROM t WHERE {asks}"
        shows = self.often(0.4)
        return shown(asked(part.ours, where.ours)), shown(asked(part.theirs, left)), f"SELECT COUNT(*) FROM t AS y WHERE {fails}"

    def failing_shared(self):
        """A row of a relation that is read twice fails once: of a WITH, and of rows outside that a subquery has to know."""
        part, where = self.part("t", 2), self.certain("t", 1)
        left, fails = self.rows(where, part)
        below = lambda of, where: f"SELECT t.k, t.i, t.ts, {of} AS x FROM t WHERE {where}"
        first, second = (self.one(["TRUE", "#.k > 1", "#.x > 2", "#.x + 1 > #.k", "#.i IS NOT NULL"]) for _ in "ab")
        on = lambda condition, name: condition.replace("#", name)
        op = self.one(["<", "<=", ">", "<>"])
        above = self.one([
            f"WITH rel AS ({{}}) SELECT a.ts, b.ts AS ts2, a.x FROM rel a {self.one(['JOIN', 'LEFT JOIN'])} rel b ON a.k = b.k AND a.x {op} b.x WHERE {on(first, 'a')}",
            f"WITH rel AS ({{}}) SELECT rel.ts, rel.x FROM rel WHERE {on(first, 'rel')} UNION ALL SELECT rel.ts, rel.k AS x FROM rel WHERE {on(second, 'rel')}",
            f"WITH rel AS ({{}}), z AS (SELECT rel.k, rel.ts, rel.i, rel.x + 0 AS x FROM rel) SELECT z.ts, z.x FROM z WHERE {on(first, 'z')} AND EXISTS (SELECT 1 FROM z AS b WHERE b.k = z.k AND b.x {op} z.x)",
            f"WITH rel AS ({{}}) SELECT t.ts, t.i FROM t WHERE t.i IN (SELECT rel.x FROM rel WHERE {on(first, 'rel')}) OR t.k IN (SELECT rel.x FROM rel WHERE {on(second, 'rel')})",
            f"WITH rel AS ({{}}) SELECT a.k, COUNT(*) AS n, (SELECT MAX(rel.x) FROM rel) AS m FROM rel AS a WHERE {on(second, 'a')} GROUP BY a.k",
            f"SELECT rel.ts, (SELECT MAX(u.i) FROM u WHERE u.i {op} rel.x) AS m FROM ({{}}) rel",
            f"SELECT rel.ts FROM ({{}}) rel WHERE EXISTS (SELECT 1 FROM u LEFT JOIN t AS w ON u.k = w.k AND w.i {op} rel.x)",
            f"SELECT rel.ts, m.n FROM ({{}}) rel CROSS JOIN LATERAL (SELECT COUNT(*) AS n FROM u WHERE u.i {op} rel.x) m",
        ])
        return above.format(below(part.ours, where.ours)), above.format(below(part.theirs, left)), f"SELECT COUNT(*) FROM t WHERE {fails}"

    def failing_over(self):
        part, where = self.part("t", 2), self.certain("t", 1)
        left, fails = self.rows(where, part)
        call = self.one(["SUM", "MAX", "COUNT"])
        frame = f"OVER (PARTITION BY k ORDER BY ts ROWS BETWEEN {self.upto(4)} PRECEDING AND CURRENT ROW)"
        return Query(
            "over",
            f"SELECT k, ts, {call}({part.ours}) {frame} AS x FROM t WHERE {where.ours}",
            # A sum that no BIGINT holds is NULL.
            f"SELECT k, ts, TRY_CAST({call}({part.theirs}) {frame} AS BIGINT) AS x FROM t WHERE {left}",
            f"SELECT COUNT(*) FROM t WHERE {fails}",
            changes=False,
        )

    def failing_ranked(self):
        part, where = self.part("t", 2), self.certain("t", 1)
        left, fails = self.rows(where, part)
        most, order = self.upto(3, 1), self.one(["NULLS FIRST, ts", "DESC NULLS LAST, ts"])
        write = lambda of, where: f"SELECT k, ts, r FROM (SELECT k, ts, ROW_NUMBER() OVER (PARTITION BY k ORDER BY {of} {order}) AS r FROM t WHERE {where}) x WHERE r <= {most}"
        return write(part.ours, where.ours), write(part.theirs, left), f"SELECT COUNT(*) FROM t WHERE {fails}"

    def failing_joined(self):
        """Pairs fail: no pairs they are."""
        kind = self.one(["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"])
        # Not of one side alone, nor of keys, which are of both: that fails there once a row, whether it has a partner or not.
        over = self.one(["(u.i - t.i)", "(t.i - u.i)", "(u.i + t.i - 3)"])
        dividend, bound = self.one(["t.i", "(t.i + u.i)", "t.k"]), self.upto(3, -3)
        fails = f"({dividend} IS NOT NULL AND {over} = 0)"
        write = lambda asked: f"SELECT t.ts, u.ts AS ts2 FROM t {kind} u ON t.k = u.k AND {asked}"
        return (
            write(f"{dividend} / {over} > {bound}"),
            write(f"({dividend} // NULLIF({over}, 0)) > {bound}"),
            f"SELECT COUNT(*) FROM t JOIN u ON t.k = u.k WHERE {fails}",
        )

    def failing_paired(self):
        """What is computed of pairs fails, of columns of one name on both sides; now and then it is computed once for two readers."""
        kind = self.one(["JOIN", "LEFT JOIN"])
        over = self.one(["(u.i - t.i)", "(t.i - u.i)", "(u.i + t.i)"])
        dividend, more = self.one(["t.i", "(t.i + u.i)", "t.k"]), self.one(["", f", {over} AS y", ", u.i AS y"])
        fails = f"({dividend} IS NOT NULL AND {over} = 0)"
        on = self.one(["ON t.k = u.k", "USING (k)"])
        write = lambda of, where: f"SELECT t.ts, u.ts AS ts2, {of} AS x{more} FROM t {kind} u {on}{where}"
        shown = "k" if dividend == "t.k" and on.startswith("USING") else dividend
        return (
            write(f"{shown} / {over}", ""),
            write(f"({dividend} // NULLIF({over}, 0))", f" WHERE NOT COALESCE({fails}, FALSE)"),
            f"SELECT COUNT(*) FROM t JOIN u ON t.k = u.k WHERE {fails}",
        )

    def failing_below(self):
        """Below a join, a set, a grouping or DISTINCT rows fail by themselves."""
        part, where = self.part("t", 2), self.certain("t", 1)
        left, fails = self.rows(where, part)
        below = lambda of, where: f"(SELECT t.k, t.s, t.ts, {of} AS x FROM t WHERE {where}) y"
        above = self.one([
            "SELECT y.ts, u.ts AS ts2, y.x FROM {} JOIN u ON y.x = u.k",
            "SELECT y.ts, u.ts AS ts2, y.x FROM {} LEFT JOIN u ON y.x = u.i AND y.k = u.k",
            "SELECT DISTINCT y.x FROM {}",
            "SELECT y.x, COUNT(*) AS n FROM {} GROUP BY y.x",
            "SELECT y.x FROM {} EXCEPT SELECT u.i FROM u",
            "SELECT y.x FROM {} UNION ALL SELECT u.i FROM u",
            "SELECT MAX(y.x) AS x, COUNT(*) AS n FROM {}",
            "SELECT u.ts FROM u WHERE u.k IN (SELECT y.x FROM {} WHERE y.x IS NOT NULL)",
            "SELECT u.ts, (SELECT MAX(y.x) FROM {} WHERE y.k = u.k) AS x FROM u",
            "SELECT u.ts FROM u WHERE NOT EXISTS (SELECT 1 FROM {} WHERE y.k = u.k AND y.x > u.i)",
        ])
        return above.format(below(part.ours, where.ours)), above.format(below(part.theirs, left)), f"SELECT COUNT(*) FROM t WHERE {fails}"
