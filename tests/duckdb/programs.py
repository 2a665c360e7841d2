"""Random programs in which queries read views over views: rows that keep their event time, and rows that come and go.

A view has the columns k, s, i, f, b and ts of a table, so that any query may read it in a table's place. DuckDB has the views as
parts of its WITH.
"""

import dataclasses
import re

from queries import Queries, theirs

# Kinds of queries that need the event time of what they read.
TIMELY = ("tumble", "hop", "cumulate", "session", "over", "interval_join", "versions")
# Kinds that take the first rows by an order, which needs `ts` to be of one row only.
ORDERED = ("ranked", "first", *TIMELY)


def renamed(text, name, other):
    """A query with another relation in a table's place."""
    return re.sub(rf"\b{name}\b(?!')", other, text)


@dataclasses.dataclass
class View:
    name: str
    ours: str
    theirs: str
    # Whether `ts` is still the event time, and whether it is of one row only.
    timely: bool
    single: bool


class Programs(Queries):
    """A seeded source of queries with views below them."""

    prefixes = ("view_",)

    def __init__(self, seed):
        super().__init__(seed)
        self.above = Queries(seed + 1)
        self.views, self.left = [], 0

    def next(self):
        if self.left == 0:
            self.views, self.left = [], self.upto(3, 1)
            for n in range(self.upto(4, 1)):
                self.views.append(self.view(f"v{n}"))
        self.left -= 1
        while True:
            query = self.above.next()
            over = [self.one([view for view in self.views if self.may_read(view, query.kind)] or [None]) for _ in "tu"]
            if over[0] is not None:
                break
        for name, view in zip("tu", over):
            if name == "t" or (view is not over[0] and self.often(0.7)):
                query.ours, query.theirs = (renamed(text, name, view.name) for text in (query.ours, query.theirs))
        query.views = tuple(self.views)
        query.kind = f"view, {query.kind}"
        return query

    def may_read(self, view, kind):
        return (view.timely or kind not in TIMELY) and (view.single or kind not in ORDERED)

    def view(self, name):
        kind = self.one([kind for kind in self.kinds])
        below = self.one([View(table, "", "", True, True) for table in "tuw"] + self.views * 2)
        text, timely, single = getattr(self, kind)(below)
        ours, others = text if isinstance(text, tuple) else (text, text)
        return View(name, renamed(ours, "t", below.name), renamed(theirs(others), "t", below.name), timely and below.timely, single and below.single)

    # Views over the relation t: their text, whether they keep the event time, whether `ts` is of one row only.

    def view_filtered(self, below):
        return f"SELECT k, s, i, f, b, ts FROM t WHERE {self.condition('t', 2)}", True, True

    def view_computed(self, below):
        shown = f"{self.number('t', 1)} AS k, {self.text('t', 1)} AS s, {self.number('t', 2)} AS i, {self.float('t', 1)} AS f, {self.condition('t', 1)} AS b"
        return f"SELECT {shown}, ts FROM t{self.where('t', 0.4)}", True, True

    def view_united(self, below):
        other = self.one("uw" if below.name == "t" else "u" if below.name == "w" else "w")
        # Rows of a view may be rows of the other table.
        return f"SELECT k, s, i, f, b, ts FROM t UNION ALL SELECT k, s, i, f, b, ts FROM {other}{self.where(other)}", True, below.name in "tuw"

    def view_grouped(self, below):
        key = self.one(["k", "MOD(i, 4)"])
        return f"SELECT {key} AS k, MAX(s) AS s, SUM(i) AS i, MIN(f) AS f, BOOL_OR(b) AS b, MAX(ts) AS ts FROM t{self.where('t', 0.3)} GROUP BY {key}", False, True

    def view_latest(self, below):
        order = self.one(["ts", "ts DESC", "i DESC NULLS LAST, ts"]) if below.single else None
        if order is None:
            return self.view_distinct(below)
        return f"SELECT k, s, i, f, b, ts FROM (SELECT k, s, i, f, b, ts, ROW_NUMBER() OVER (PARTITION BY k ORDER BY {order}) AS r FROM t) x WHERE r <= {self.upto(3, 1)}", False, True

    def view_distinct(self, below):
        return "SELECT DISTINCT k, s, i, f, b, ts FROM t", False, True

    def view_joined(self, below):
        other = self.one("uw" if below.name == "t" else "tw" if below.name == "u" else "u")
        return f"SELECT t.k, y.s, t.i + y.i AS i, t.f, y.b, t.ts FROM t {self.one(['JOIN', 'LEFT JOIN'])} {other} y ON t.k = y.k AND t.i < y.i", False, False

    def view_found(self, below):
        other = self.one("uw")
        asked = self.one([f"EXISTS (SELECT 1 FROM {other} y WHERE y.k = t.k AND y.i > t.i)", f"t.k NOT IN (SELECT y.k FROM {other} y WHERE y.k IS NOT NULL AND y.b)", f"t.i >= (SELECT MAX(y.i) FROM {other} y WHERE y.k = t.k)"])
        return f"SELECT k, s, i, f, b, ts FROM t WHERE {asked}", False, True

    def view_rest(self, below):
        other = self.one("uw")
        word = self.one(["EXCEPT", "INTERSECT", "UNION"])
        # A row that is in both is one row then.
        return f"SELECT k, s, i, f, b, ts FROM t {word} SELECT k, s, i, f, b, ts FROM {other} WHERE {self.condition(other, 1)}", False, below.name in "tuw"
