"""Random queries in which a condition stands before what fails where rows find partners: keys of outer joins, of EXISTS, what IN compares,
in ON, WHERE, CASE, FILTER and as a key of a group.

Where the condition does not hold nothing fails. A key that fails has no partner, and its row is there where one without is; what IN, ANY
and ALL compare is of the row, so that fails as anything else that is computed of it; in ON it is no partner.
"""

from failing import Failing, Part, either


class Guarded(Failing):
    """A seeded source of such queries."""

    prefixes = ("guarded_",)

    def next(self):
        made = super().next()
        # Letters behind a value show a key of its group too, which is no column of a table.
        made.told = made.kind != "case"
        return made

    def drawn(self):
        """A condition, and behind it a value that may fail."""
        of = [f"{self.one(['t.i', 't.k'])} <> 0", "t.k > 2", "t.b", "t.s IS NOT NULL", "t.i IS NULL"]
        guard = self.safe(self.one(of)) if self.often(0.6) else self.holds("t", 1)
        if self.often(0.2):
            guard = self.joined(guard, "AND", "TRUE", self.safe(self.one(of)))
        over = self.safe(self.one(["t.i", "t.k", "(t.k - 3)", "(t.i + 1)"]))
        return guard, self.one([lambda: self.quotient(self.safe(self.one(["10", "t.k", "t.i"])), over), lambda: self.read("t"), lambda: self.quotient(self.part("t", 1), over)])()

    def equal(self):
        return self.one(["=", "=", "=", "IS NOT DISTINCT FROM"])

    def behind(self, guard, key):
        """When a key fails that is asked where a condition is true, and those of the rows of which the condition is true and nothing fails."""
        fails = either(guard.fails, f"(({guard.theirs}) IS TRUE AND {key.fails})")
        return f"COALESCE({fails}, FALSE)", f"({guard.theirs}) AND NOT COALESCE({fails}, FALSE)"

    def rows_of(self, fails):
        return f"SELECT COUNT(*) FROM t WHERE {fails}"

    def guarded_joined(self):
        guard, key = self.drawn()
        fails, holds = self.behind(guard, key)
        tie = self.one(["", "", "u.s = t.s AND ", "u.i > t.i AND "])
        # Beside a key that NULL does not equal it is a condition of pairs.
        op = "=" if "=" in tie else self.equal()
        relation = self.one(["t LEFT JOIN u", "t FULL JOIN u", "u RIGHT JOIN t"])
        write = lambda holds, key: f"SELECT t.ts, u.ts AS ts2 FROM {relation} ON {tie}({holds}) AND u.k {op} {key}"
        return write(guard.ours, key.ours), write(holds, key.theirs), self.rows_of(fails)

    def guarded_exists(self):
        guard, key = self.drawn()
        fails, holds = self.behind(guard, key)
        op, tie = self.equal(), self.one(["", "", " AND u.i > t.i", " AND u.s = t.s"])
        form = self.one(["SELECT t.ts FROM t WHERE NOT {}", "SELECT t.ts, {} AS x FROM t", "SELECT t.ts FROM t WHERE {} OR t.k = 3", "SELECT t.k, COUNT(*) FILTER (WHERE {}) AS n FROM t GROUP BY t.k"])
        write = lambda holds, key: form.format(f"EXISTS (SELECT 1 FROM u WHERE ({holds}) AND u.k {op} {key}{tie})")
        return write(guard.ours, key.ours), write(holds, key.theirs), self.rows_of(fails)

    def guarded_case(self):
        """EXISTS and a value behind WHEN: no partner; of the row is only what WHEN asks."""
        guard, key = self.drawn()
        fails, _ = self.behind(guard, key)
        op = self.equal()
        asks = self.one(["EXISTS (SELECT 1 FROM u WHERE u.k {} {}{})", "(SELECT COUNT(*) FROM u WHERE u.k {} {}{})", "(SELECT MAX(u.i) FROM u WHERE u.k {} {}{})", "NOT EXISTS (SELECT 1 FROM u WHERE u.k {} {} AND u.i > t.k{})"])
        write = lambda guard, key, works, where: f"SELECT t.ts, CASE WHEN {guard} THEN {asks.format(op, key, works)} END AS x FROM t{where}"
        works, where = f" AND NOT COALESCE({key.fails}, FALSE)", f" WHERE NOT COALESCE({guard.fails}, FALSE)"
        return write(guard.ours, key.ours, "", ""), write(guard.theirs, key.theirs, works, where), self.rows_of(fails)

    def compared(self, key):
        """A comparison of a value with a subquery."""
        how = self.one(["IN", "NOT IN", "< ANY", ">= ALL", "= ANY"])
        within = self.one(["SELECT u.k FROM u", "SELECT u.i FROM u WHERE u.i IS NOT NULL", "SELECT u.k FROM u WHERE u.s = t.s"])
        return Part(f"{key.ours} {how} ({within})", f"({key.theirs}) {how} ({within})", key.fails)

    def guarded_compared(self):
        guard, key = self.drawn()
        asked = self.compared(key)
        if self.often(0.5):
            whole = self.joined(guard, *self.one([("AND", "TRUE"), ("OR", "FALSE")]), asked)
        else:
            fails = either(guard.fails, f"(({guard.theirs}) IS TRUE AND {asked.fails})")
            whole = Part(*(f"CASE WHEN {getattr(guard, side)} THEN {getattr(asked, side)} END" for side in ("ours", "theirs")), fails)
        fails = f"COALESCE({whole.fails}, FALSE)"
        write = self.one([
            lambda of, where: f"SELECT t.ts, {of} AS x FROM t{where('WHERE')}",
            lambda of, where: f"SELECT t.ts FROM t WHERE (({of}) OR t.k = 3){where('AND')}",
            lambda of, where: f"SELECT {of} AS x, COUNT(*) AS n FROM t{where('WHERE')} GROUP BY 1",
            lambda of, where: f"SELECT t.k, COUNT(*) FILTER (WHERE {of}) AS n, COUNT(*) AS m FROM t{where('WHERE')} GROUP BY t.k",
        ])
        return write(whole.ours, lambda _: ""), write(whole.theirs, lambda word: f" {word} NOT {fails}"), self.rows_of(fails)

    def guarded_compared_in_on(self):
        guard, key = self.drawn()
        fails, holds = self.behind(guard, key)
        within = self.one(["SELECT w.k FROM w", "SELECT w.i FROM w WHERE w.i IS NOT NULL"])
        how, relation = self.one(["IN", "NOT IN", "< ANY"]), self.one(["t LEFT JOIN u", "u RIGHT JOIN t", "t FULL JOIN u"])
        guard = guard if guard.fails == "FALSE" else self.safe("t.k > 2")
        fails, holds = self.behind(guard, key)
        write = lambda holds, key: f"SELECT t.ts, u.ts AS ts2 FROM {relation} ON ({holds}) AND ({key}) {how} ({within}) AND u.k = t.k"
        return write(guard.ours, key.ours), write(holds, key.theirs), self.rows_of(fails)
