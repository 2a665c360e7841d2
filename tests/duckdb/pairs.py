"""Random queries with subqueries of which a condition over a row of their own and the row outside fails: EXISTS, IN, ANY and ALL as
conditions and as values, values, LATERAL; over rows that stay and groups that change.

WHERE asks what has no subquery first: beside OR it is asked of the rows of which that is not true.

A pair of rows fails once: of EXISTS and LATERAL each that is equal where `=` says so, of IN, ANY and ALL those of them of which the
comparison is true or unknown; of a value and LATERAL that group, each with other values of the columns outside that are read.
"""

import re

from correlated import exists
from failing import Failing

NEGATED = {"<": ">=", "<=": ">", ">": "<=", ">=": "<", "=": "<>", "<>": "="}


class Pairs(Failing):
    """A seeded source of such queries."""

    prefixes = ("pairs_",)

    def next(self):
        made = super().next()
        # Of groups and of values that are a relation of their own by what they are there.
        made.told = False
        return made

    def relation(self, name, alias):
        """A table, or groups of it that change, under a name."""
        if self.often(0.6):
            return f"{name} {alias}"
        return self.one([
            f"(SELECT k, {self.one(['MAX', 'MIN'])}(i) AS i FROM {name} GROUP BY k) {alias}",
            f"(SELECT k, COUNT(i) - {self.upto(4)} AS i FROM {name} GROUP BY k) {alias}",
            f"(SELECT DISTINCT k, i FROM {name} WHERE i IS NULL OR i BETWEEN -5 AND 5) {alias}",
        ])

    def asked(self):
        """Rows outside and inside, what ties them, and what is asked of them: ours, theirs, when it fails."""
        outer, inner = self.relation("t", "t"), self.relation("u", "y")
        tie = self.one(["", "", "y.k = t.k AND ", "y.k = t.k AND y.i > -3 AND ", "y.k + 1 = t.k AND "])
        # Of what is equal to a column outside it is asked outside.
        keys = [] if "t.k" in tie else ["(y.k - t.k)", "(t.k + y.k - 5)", "(t.i + y.k)"]
        over = self.one(["(y.i - t.i)", "(y.i + t.i)", *keys])
        dividend, op, bound = self.one(["t.i", "y.i", "(t.i + y.i)", "t.k"]), self.one(["<", ">=", "<>"]), self.upto(3, -3)
        fails = f"COALESCE({dividend} IS NOT NULL AND {over} = 0, FALSE)"
        ours, whole = f"{dividend} / {over} {op} {bound}", f"({dividend} // NULLIF({over}, 0)) {op} {bound}"
        return outer, inner, tie, (ours, f"({whole}) AND NOT {fails}"), fails

    def placed(self, outer, asks):
        """A query that asks for each row; whether as a value."""
        form = self.one(["SELECT t.k, t.i, {} AS x FROM {}", "SELECT t.k, CASE WHEN {} THEN t.i ELSE 0 END AS x FROM {}", "SELECT t.k, t.i FROM {1} WHERE {0}", "SELECT t.k, t.i FROM {1} WHERE {0} OR t.k = 3"])
        return [form.format(ask, outer) for ask in asks], not form.endswith("{0}")

    def asks(self, ours):
        """Of which rows outside it is asked."""
        return " AND (t.k = 3) IS NOT TRUE" if ours.endswith(" OR t.k = 3") else ""

    def failed(self, outer, inner, tie, fails):
        return f"SELECT COUNT(*) FROM {outer} JOIN {inner} ON {tie}TRUE WHERE {fails}"

    def pairs_exist(self):
        outer, inner, tie, conditions, fails = self.asked()
        no = self.one(["", "NOT "])
        (ours, others), _ = self.placed(outer, [f"{no}EXISTS (SELECT 1 FROM {inner} WHERE {tie}{condition})" for condition in conditions])
        return ours, others, self.failed(outer, inner, tie, fails + self.asks(ours))

    def pairs_compared(self):
        outer, inner, tie, conditions, fails = self.asked()
        own, value = self.one(["t.i", "t.k", "COALESCE(t.i, 1)"]), self.one(["y.i", "y.k", "COALESCE(y.k, 2)"])
        op, every = self.one(["=", "=", "<>", "<", "<=", ">", ">="]), self.often(0.5)
        spelled = {("=", False): "IN", ("<>", True): "NOT IN"}.get((op, every)) if self.often(0.6) else None
        if not spelled and "(" in own:
            own = "t.i"
        compared = f"{own} {NEGATED[op] if every else op} {value}"
        word = f"{op} {'ALL' if every else 'ANY'}"
        asks = [f"{own} {how} (SELECT {value} AS z0 FROM {inner} WHERE {tie}{condition})" for how, condition in zip((spelled or word, word), conditions)]
        # It is spelled out of a column.
        asks[1] = re.sub(r"COALESCE\(t.i, 1\) (?=<> ALL|= ANY)", "t.c ", asks[1])
        theirs_of = outer if "t.c" not in asks[1] else f"(SELECT *, COALESCE(i, 1) AS c FROM {outer}) t"
        (ours, _), as_value = self.placed(outer, asks[:1] * 2)
        others = ours.replace(asks[0], asks[1]).replace(f"FROM {outer}", f"FROM {theirs_of}")
        if as_value and " OR t.k = 3" not in ours:
            matters = f"({compared}) IS NOT FALSE"
        elif not every:
            matters = f"({compared}) IS TRUE"
        else:
            # Whether it is unknown is asked of the rows that are still there: those of which none makes it true.
            other = f"{tie}{conditions[1]} AND ({compared}) IS TRUE".replace("y.", "z.")
            found = f"EXISTS (SELECT 1 FROM {re.sub(' y$', ' z', inner)} WHERE {other})"
            matters = f"(({compared}) IS TRUE OR (({compared}) IS NULL AND NOT {found}))"
        return ours, exists(others), self.failed(outer, inner, tie, f"{fails} AND {matters}{self.asks(ours)}")

    def pairs_counted(self):
        outer, inner, tie, conditions, fails = self.asked()
        read = sorted(set(re.findall(r"t\.(\w)\b", tie + conditions[0])))
        call = self.one(["COUNT(*)", "MAX(y.i)", "COUNT(y.k)", "SUM(y.k) + 1"])
        form = self.one([f"SELECT t.k, t.i, (SELECT {call} FROM {inner} WHERE {{}}) AS x FROM {outer}", f"SELECT t.k, m.x FROM {outer} CROSS JOIN LATERAL (SELECT {call} AS x FROM {inner} WHERE {{}}) m"])
        distinct = f"(SELECT DISTINCT {', '.join(read)} FROM {outer}) t"
        ours, others = (form.format(f"{tie}{condition}") for condition in conditions)
        return ours, others, self.failed(distinct, inner, tie, fails)

    def pairs_lateral(self):
        outer, inner, tie, conditions, fails = self.asked()
        how = self.one(["CROSS JOIN LATERAL ({}) m", "LEFT JOIN LATERAL ({}) m ON TRUE"])
        ours, others = (f"SELECT t.k, t.i, m.x FROM {outer} {how.format(f'SELECT y.i AS x FROM {inner} WHERE {tie}{condition}')}" for condition in conditions)
        return ours, others, self.failed(outer, inner, tie, fails)
