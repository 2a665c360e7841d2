"""Random queries in which a condition stands before what fails where rows find partners: keys of outer joins, of EXISTS, what IN compares,
in ON, WHERE, CASE, FILTER and as a key of a group.

Where the condition does not hold nothing fails. A key that fails has no partner, and its row is there where one without is; what IN, ANY
and ALL compare is of the row, so that fails as anything else that is computed of it; in ON it is no partner. WHERE asks what has no
subquery first, below AND and OR alike: of `(asks) OR t.k = 3` nothing fails on the rows with a `k` of 3.
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

    def beside(self, fails, form, written=" OR t.k = 3"):
        """When it fails in a query of this form, of which WHERE may ask something else first."""
        return f"({fails}) AND (t.k = 3) IS NOT TRUE" if written in form else fails

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
        return write(guard.ours, key.ours), write(holds, key.theirs), self.rows_of(self.beside(fails, form))

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
        word = self.one(["AND", "OR", "CASE", "CASE"])
        # A condition beside OR is asked before what asks a subquery, wherever it is written.
        form = self.one(["SELECT t.ts, {} AS x FROM t{}", "SELECT t.ts FROM t WHERE (({}) OR t.k = 3){}", "SELECT t.ts FROM t WHERE (t.k = 3 OR ({})){}",
                         "SELECT t.ts FROM t WHERE NOT (({}) AND t.k = 3){}", "SELECT {} AS x, COUNT(*) AS n FROM t{} GROUP BY 1",
                         "SELECT t.k, COUNT(*) FILTER (WHERE {}) AS n, COUNT(*) AS m FROM t{} GROUP BY t.k"])
        if word == "CASE":
            fails = either(guard.fails, f"(({guard.theirs}) IS TRUE AND {asked.fails})")
            whole = Part(*(f"CASE WHEN {getattr(guard, side)} THEN {getattr(asked, side)} END" for side in ("ours", "theirs")), fails)
        else:
            whole = self.joined(guard, word, "TRUE" if word == "AND" else "FALSE", asked)
        # Of a condition that is to be true, or false, nothing is asked behind what makes it neither.
        if (word, "NOT (" in form) == ("AND", False) and "t.k = 3" in form:
            whole.fails = either(guard.fails, f"(({guard.theirs}) IS TRUE AND {asked.fails})")
        if (word, "NOT (" in form) == ("OR", True):
            whole.fails = either(guard.fails, f"(({guard.theirs}) IS FALSE AND {asked.fails})")
        fails = whole.fails
        if "t.k = 3" in form:
            # What is joined by the same word is one list: there the condition comes before the rest too, but behind what guards it.
            first = "(t.k = 3) IS NOT FALSE" if "NOT (" in form else "(t.k = 3) IS NOT TRUE"
            one_list = word == ("AND" if "NOT (" in form else "OR")
            before = form.index("t.k = 3") < form.index("{}")
            if one_list and not before:
                fails = either(guard.fails, f"({first} AND {whole.fails})")
            else:
                fails = f"({first} AND {whole.fails})"
        fails = f"COALESCE({fails}, FALSE)"
        word = " AND" if "WHERE ((" in form or "WHERE (t" in form or "WHERE NOT" in form else " WHERE"
        return form.format(whole.ours, ""), form.format(whole.theirs, f"{word} NOT {fails}"), self.rows_of(fails)

    def guarded_compared_in_on(self):
        guard, key = self.drawn()
        fails, holds = self.behind(guard, key)
        within = self.one(["SELECT w.k FROM w", "SELECT w.i FROM w WHERE w.i IS NOT NULL"])
        how, relation = self.one(["IN", "NOT IN", "< ANY"]), self.one(["t LEFT JOIN u", "u RIGHT JOIN t", "t FULL JOIN u"])
        guard = guard if guard.fails == "FALSE" else self.safe("t.k > 2")
        fails, holds = self.behind(guard, key)
        write = lambda holds, key: f"SELECT t.ts, u.ts AS ts2 FROM {relation} ON ({holds}) AND ({key}) {how} ({within}) AND u.k = t.k"
        return write(guard.ours, key.ours), write(holds, key.theirs), self.rows_of(fails)
