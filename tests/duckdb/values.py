"""Random queries over values that engines take for one another: DECIMALs, DOUBLEs that are no numbers, times that nanoseconds
have no room for, texts beside numbers and times, casts that lose something, arrays; and over no rows at all.

A CAST to whole numbers cuts here, as in Flink, where DuckDB rounds, so theirs has TRUNC.
"""

from queries import Queries

COMPARED = ["<", "<=", ">", ">=", "=", "<>", "IS DISTINCT FROM", "IS NOT DISTINCT FROM"]


class Values(Queries):
    """A seeded source of such queries."""

    prefixes = ("value_",)

    # What is compared, in our words and DuckDB's.

    def decimal(self, a, depth=1):
        literal = f"{self.upto(3000, -3000) / 1000}"
        if depth <= 0:
            return self.one([f"{a}.m", f"{a}.m", literal])
        return self.made(
            lambda: f"{a}.m",
            lambda: f"({a}.m {self.one('+-*')} {self.decimal(a, depth - 1)})",
            lambda: f"CAST({a}.m AS DECIMAL({self.one(['14, 2', '13, 1', '12, 0', '20, 5'])}))",
            lambda: f"ROUND({a}.m, {self.upto(3)})",
            lambda: f"COALESCE({a}.m, {literal})",
            lambda: f"CAST({a}.k AS DECIMAL(10, 2))",
            lambda: f"ABS({a}.m)",
        )

    def quotient(self, a):
        """A quotient or an average of DECIMALs, in millionths: DuckDB's own are DOUBLEs, so it is told in whole numbers."""
        over = self.one([f"{a}.k", f"{a}.i", "7", "-3"])
        return (f"CAST(CAST({a}.m / NULLIF({over}, 0) AS DECIMAL(24, 6)) * 1000000 AS BIGINT)", self.rounded(f"{a}.m", f"NULLIF({over}, 0)"))

    def rounded(self, decimal, over, places=6):
        """The quotient of a DECIMAL of three places and a whole number, as many places as a whole number, half away from zero."""
        thousandths, over = f"CAST({decimal} * 1000 AS HUGEINT)", f"CAST({over} AS HUGEINT)"
        return f"CAST(SIGN({thousandths}) * SIGN({over}) * (({2 * 10 ** (places - 3)} * ABS({thousandths}) + ABS({over})) // (2 * ABS({over}))) AS BIGINT)"

    def row_compared(self, a):
        """Rows compared with rows, NULLs among their values; DuckDB compares them as values of their own, so it is told part by part."""
        whole = lambda: self.one([f"{a}.k", f"{a}.i", f"{a}.i", str(self.upto(5, -3)), "CAST(NULL AS BIGINT)"])
        left, right, other = ([whole(), whole()] for _ in range(3))
        row = lambda parts: f"({', '.join(parts)})"
        ordered = lambda op, l, r: f"({l[0]} {op[0]} {r[0]} OR ({l[0]} = {r[0]} AND {l[1]} {op} {r[1]}))"
        equal = lambda l, r: f"({l[0]} = {r[0]} AND {l[1]} = {r[1]})"
        op, no = self.one(["<", "<=", ">", ">="]), self.one(["", "NOT "])
        return self.one([
            (f"{row(left)} {op} {row(right)}", ordered(op, left, right)),
            (f"{row(left)} = {row(right)}", equal(left, right)),
            (f"{row(left)} <> {row(right)}", f"(NOT {equal(left, right)})"),
            (f"{row(left)} {no}IN ({row(right)}, {row(other)})", f"({no}({equal(left, right)} OR {equal(left, other)}))"),
            (f"{row(left)} {no}BETWEEN {row(right)} AND {row(other)}", f"({no}({ordered('>=', left, right)} AND {ordered('<=', left, other)}))"),
        ])

    def odd(self, a):
        """A DOUBLE that may be no number."""
        return self.made(
            f"{a}.g", f"{a}.g", f"{a}.f", f"-({a}.g)", f"COALESCE({a}.g, -0.0)", f"NULLIF({a}.g, 0.0)", f"ABS({a}.g)",
            lambda: f"CASE WHEN {self.condition(a, 0)} THEN {a}.g ELSE {a}.f END",
            lambda: f"({a}.f * {self.one(['-1', '0', '1.5'])})",
            lambda: f"({a}.g {self.one('+-*')} {self.one([f'{a}.g', f'{a}.f', '0'])})",
        )

    def packed(self, a):
        """An array of such; its items are no NULLs."""
        return f"ARRAY[COALESCE({self.odd(a)}, 7.5), {self.one([f'COALESCE({a}.g, -0.0)', '0.0', '1.5'])}]"

    def whole(self, a):
        """A cast to whole numbers: ours, theirs."""
        # In comparisons DuckDB lets a SMALLINT that does not fit pass.
        kind = self.one(["INT", "BIGINT"])
        of = self.made(f"{a}.m", f"{a}.f", lambda: f"({a}.m * 2)", lambda: f"({a}.f + 0.5)")
        return f"TRY_CAST({of} AS {kind})", f"TRY_CAST(TRUNC({of}) AS {kind})"

    def distant(self, a, depth=1):
        """A time, near or far: ours, theirs."""
        unit = self.one(["SECOND", "MINUTE", "HOUR", "DAY"])
        of = self.one([f"{a}.y", f"{a}.y", f"{a}.ts"])
        return self.made(
            lambda: (of, of),
            lambda: (of, of),
            lambda: (f"({a}.y {self.one('+-')} INTERVAL '{self.upto(99, 1)}' {unit})",) * 2,
            lambda: (f"({a}.y {self.one('+-')} INTERVAL '{self.upto(30, 1)}' {self.one(['MONTH', 'YEAR'])})",) * 2,
            lambda: (f"COALESCE({a}.y, {a}.ts)",) * 2,
            lambda: (f"CAST(CAST({of} AS DATE) AS TIMESTAMP)",) * 2,
            lambda: self.truncated(of),
            lambda: self.moved(of),
        )

    def moved(self, of):
        """A DATE moved: by days and longer units it stays one, where DuckDB has a TIMESTAMP."""
        date, n, sign = f"CAST({of} AS DATE)", self.upto(99, -99), self.one("+-")
        unit = self.one(["SECOND", "MINUTE", "HOUR", "DAY", "WEEK", "MONTH", "YEAR"])
        longer = {"WEEK": ("DAY", 7)}.get(unit, (unit, 1))
        cut = lambda text: text if unit in ("SECOND", "MINUTE", "HOUR") else f"CAST({text} AS DATE)"
        theirs = lambda sign, count: cut(f"({date} {sign} ({count}) * INTERVAL '{longer[1]}' {longer[0]})")
        return self.made(
            lambda: (f"({date} {sign} INTERVAL '{n}' {unit})", theirs(sign, n)),
            lambda: (f"({date} {sign} ({n}) * INTERVAL '1' {unit})", theirs(sign, n)),
            lambda: (f"TIMESTAMPADD({unit}, {n}, {date})", theirs("+", n)),
            lambda: (f"({date} {sign} INTERVAL '{abs(n)} 13' DAY TO HOUR)", f"({date} {sign} INTERVAL '{24 * abs(n) + 13}' HOUR)"),
        )

    def truncated(self, of):
        unit = self.one(["SECOND", "MINUTE", "HOUR", "DAY", "MONTH", "YEAR"])
        ours = self.one([f"DATE_TRUNC('{unit.lower()}', {of})", f"FLOOR({of} TO {unit})"])
        return ours, f"CAST(DATE_TRUNC('{unit.lower()}', {of}) AS TIMESTAMP)"

    def moment(self):
        """A time as text."""
        return self.one(["2024-01-01 00:00:10", "2024-01-01", "1582-10-15", "1677-09-21 00:12:43.145", "1677-01-01", "2262-04-11 23:47:16.855", "2500-06-01", "9999-12-31 23:59:59"])

    def array(self, a):
        """An array of whole numbers: ours, theirs."""
        return self.made(
            lambda: (f"{a}.a",) * 2,
            lambda: (f"{a}.a",) * 2,
            lambda: (f"ARRAY[{a}.k, {self.number(a, 0)}, {self.upto(5)}]",) * 2,
            lambda: (f"CASE WHEN {self.condition(a, 0)} THEN {a}.a ELSE ARRAY[{a}.i] END",) * 2,
            lambda: (f"COALESCE({a}.a, ARRAY[{a}.k])",) * 2,
        )

    def compared(self, a):
        """A condition: ours, theirs."""
        op, spread = self.one(COMPARED), self.one(["", "NOT "])
        both = lambda text: (text, text)
        return self.made(
            lambda: both(f"{self.decimal(a)} {op} {self.decimal(a)}"),
            lambda: both(f"{self.decimal(a)} {op} {self.one([f'{a}.k', f'{a}.i', '1.235', '1', '-1.2'])}"),
            lambda: both(f"{self.decimal(a)} {op} {self.odd(a)}"),
            lambda: both(f"CAST({a}.m AS DECIMAL(13, 1)) {op} {self.one(['1.2', '-1.2', '2.5', '1', '1.25'])}"),
            lambda: both(f"CAST({a}.m AS DECIMAL(14, 2)) {spread}BETWEEN -1.23 AND {self.one(['1.23', '2.5', '1.239'])}"),
            lambda: both(f"CAST({a}.m AS DECIMAL(14, {self.upto(2)})) {spread}IN (1.2, 1.24, -1.24, 1, 3)"),
            lambda: self.joined(lambda of: f"{of} {op} {self.upto(3, -2)}", self.whole(a)),
            lambda: self.joined(lambda of: f"{of} {spread}IN (0, 1, {self.upto(9, -9)})", self.whole(a)),
            lambda: both(f"{self.odd(a)} {op} {self.odd(a)}"),
            lambda: both(f"{self.odd(a)} {spread}IN (0.0, 1.5, {a}.f, -2.25)"),
            lambda: both(f"{self.packed(a)} {self.one(['=', '<>', 'IS DISTINCT FROM', 'IS NOT DISTINCT FROM'])} {self.packed(a)}"),
            lambda: both(f"{self.packed(a)} {spread}IN ({self.packed(a)}, ARRAY[0.0, 0.0])"),
            lambda: both(f"{self.odd(a)} {spread}IN (0.0, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 7.5)"),
            lambda: both(f"{self.odd(a)} {spread}BETWEEN {self.upto(2, -3)} AND {a}.f"),
            lambda: both(f"{a}.{self.one('kif')} {op} '{self.upto(5, -5)}'"),
            lambda: both(f"'{self.upto(5)}' {op} {a}.{self.one('kim')}"),
            lambda: both(f"{a}.i {spread}BETWEEN '{self.upto(0, -5)}' AND '{self.upto(9)}'"),
            lambda: both(f"{a}.k {spread}IN ('1', '{self.upto(5, 2)}')"),
            lambda: both(f"{a}.m {op} '{self.one(['1.235', '2.5', '-1', '0'])}'"),
            lambda: both(f"{a}.b {self.one(['=', '<>'])} '{self.one(['true', 'false'])}'"),
            lambda: both(f"TRY_CAST({a}.x AS {self.one(['BIGINT', 'INT', 'SMALLINT'])}) {op} {self.number(a, 0)}"),
            lambda: both(f"TRY_CAST({a}.x AS DATE) {op} CAST({a}.ts AS DATE)"),
            lambda: both(f"CAST({self.number(a, 1)} AS VARCHAR) {op} {a}.x"),
            lambda: both(f"CAST({a}.b AS INT) {op} {a}.k"),
            lambda: self.joined(lambda one, other: f"{one} {op} {other}", self.distant(a), self.distant(a)),
            lambda: self.joined(lambda one: f"{one} {op} '{self.moment()}'", self.distant(a)),
            lambda: self.joined(lambda one: f"'{self.moment()}' {op} {one}", self.distant(a)),
            lambda: self.joined(lambda one: f"{one} {op} TIMESTAMP '{self.moment()}'", self.distant(a)),
            lambda: self.joined(lambda one: f"{one} {spread}BETWEEN '{self.moment()}' AND '{self.moment()}'", self.distant(a)),
            lambda: self.joined(lambda one: f"{one} {spread}IN ('{self.moment()}', '{self.moment()}', '2024-01-01 00:00:10')", self.distant(a)),
            lambda: both(f"CAST({a}.{self.one(['y', 'ts'])} AS DATE) {op} DATE '{self.moment()[:10]}'"),
            lambda: both(f"CAST({a}.y AS DATE) {op} '{self.moment()[:10]}'"),
            lambda: both(f"EXTRACT({self.one(['YEAR', 'MONTH', 'DAY', 'HOUR', 'QUARTER'])} FROM {a}.y) {op} {self.one(['1677', '6', '1', '2262'])}"),
            lambda: self.joined(lambda one: f"{one} = {self.upto(4)}", self.size(a)),
            lambda: self.joined(lambda one: f"{one} {op} {self.number(a, 0)}", self.item(a)),
        )

    def joined(self, write, *pairs):
        """Ours and theirs of what is written of pairs of ours and theirs; chance is drawn once."""
        before = self.random.getstate()
        ours = write(*(pair[0] for pair in pairs))
        self.random.setstate(before)
        return ours, write(*(pair[1] for pair in pairs))

    def size(self, a):
        ours, theirs = self.array(a)
        return f"CARDINALITY({ours})", f"LEN({theirs})"

    def item(self, a):
        place = self.one([1, 1, 2, 3, 9, f"{a}.k"])
        return tuple(f"({array})[{place}]" for array in self.array(a))

    def strange(self, a):
        """A value: ours, theirs."""
        both = lambda of: (of, of)
        return self.made(
            lambda: both(self.decimal(a)),
            lambda: both(self.odd(a)),
            lambda: self.quotient(a),
            lambda: self.row_compared(a),
            lambda: self.whole(a),
            lambda: self.distant(a) if self.often(0.6) else both(f"{a}.y"),
            lambda: self.compared(a),
            lambda: self.compared(a),
            lambda: self.size(a),
            lambda: self.item(a),
            lambda: both(f"TRY_CAST({a}.x AS BIGINT)"),
            lambda: both(f"CAST({a}.y AS DATE)"),
            lambda: both(f"EXTRACT({self.one(['YEAR', 'DAY', 'HOUR', 'MINUTE', 'QUARTER'])} FROM {a}.y)"),
            lambda: (f"CAST({a}.y AS VARCHAR)", f"STRFTIME({a}.y, '%Y-%m-%d %H:%M:%S.%g')"),
        )

    def near(self, pair):
        """Whether Python has room for it: no time beyond the year 9999."""
        return not any(mark in text for text in pair for mark in ("y +", "y -", "DATE) +", "DATE) -", "TIMESTAMPADD"))

    def shown(self, a, most):
        pairs = []
        while len(pairs) < most:
            pair = self.strange(a)
            if self.near(pair):
                pairs.append(pair)
        return tuple(", ".join(f"{pair[side]} AS c{n}" for n, pair in enumerate(pairs)) for side in (0, 1))

    def both_of(self, write, *pairs):
        return tuple(write(*(pair[side] for pair in pairs)) for side in (0, 1))

    def summed(self, a):
        """An aggregate: ours, theirs."""
        both = lambda of: (of, of)
        call = self.one(["MIN", "MAX", "COUNT"])
        return self.made(
            lambda: both(f"{self.one(['SUM', 'MIN', 'MAX', 'COUNT'])}({self.decimal(a)})"),
            lambda: both(f"SUM(DISTINCT {a}.m)"),
            lambda: (f"CAST(AVG({a}.m) * 10000000 AS BIGINT)", self.rounded(f"SUM({a}.m)", f"NULLIF(COUNT({a}.m), 0)", 7)),
            lambda: both(f"{self.one(['SUM', 'MIN', 'MAX', 'AVG'])}({self.one([f'{a}.g', f'-({a}.g)'])})"),
            lambda: both(f"COUNT(DISTINCT {self.odd(a)})"),
            lambda: both(f"COUNT(DISTINCT {self.packed(a)})"),
            lambda: self.joined(lambda of: f"{call}({of})", both(f"{a}.y")),
            lambda: self.joined(lambda of: f"COUNT(*) FILTER (WHERE {of})", self.compared(a)),
            lambda: self.joined(lambda of: f"BOOL_AND({of})", self.compared(a)),
            lambda: self.joined(lambda of: f"SUM({of})", self.size(a)),
            lambda: (f"ARRAY_AGG({a}.i ORDER BY {a}.ts)", f"LIST({a}.i ORDER BY {a}.ts) FILTER (WHERE {a}.i IS NOT NULL)"),
            lambda: both(f"COUNT(*)"),
        )

    # Queries.

    def value_shown(self):
        return self.both_of(lambda shown, where: f"SELECT ts, {shown} FROM t WHERE {where} OR k = 3", self.shown("t", self.upto(3, 1)), self.compared("t"))

    def value_filtered(self):
        connective = self.one(["AND", "OR", "AND NOT", "OR NOT"])
        return self.both_of(lambda one, other: f"SELECT ts, k FROM t WHERE ({one}) {connective} ({other})", self.compared("t"), self.compared("t"))

    def value_grouped(self):
        key = self.made(
            lambda: ("t.g",) * 2,
            lambda: (self.odd("t"),) * 2,
            lambda: (self.packed("t"),) * 2,
            lambda: (f"t.{self.one('my')}",) * 2,
            lambda: (f"CAST(t.m AS DECIMAL(12, {self.upto(2)}))",) * 2,
            lambda: (f"EXTRACT(YEAR FROM t.y)",) * 2,
            lambda: self.compared("t"),
            lambda: self.size("t"),
        )
        return self.both_of(lambda key, one, other: f"SELECT {key} AS key, {one} AS x, {other} AS y FROM t GROUP BY {key}", key, self.summed("t"), self.summed("t"))

    def value_distinct(self):
        return self.both_of(lambda shown: f"SELECT DISTINCT {shown} FROM t", self.shown("t", self.upto(2, 1)))

    def value_joined(self):
        kind = self.one(["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"])
        a, b = self.one(["tu", "wu", "ut", "tz", "zt"])
        on = self.one([f"{a}.g = {b}.g", f"{a}.m = {b}.m", f"{a}.m = {b}.k", f"{a}.y = {b}.y", f"{a}.m = {b}.f", f"{a}.f = {b}.g AND {a}.k = {b}.k", f"CAST({a}.m AS DECIMAL(12, 0)) = {b}.k", f"ARRAY[COALESCE({a}.g, 7.5), {a}.k] = ARRAY[COALESCE({b}.g, 7.5), {b}.k] AND {a}.k = {b}.k"])
        where = self.one(["", f" WHERE {a}.k > 1", f" WHERE {b}.k IS NULL"])
        return f"SELECT {a}.ts, {b}.ts AS ts2, {a}.g, {b}.m FROM {a} {kind} {b} ON {on}{where}"

    def value_in(self):
        column = self.one("gmyx")
        asked = self.one([f"t.{column} {self.one(['', 'NOT '])}IN (SELECT u.{column} FROM u{self.where('u')})", f"EXISTS (SELECT 1 FROM u WHERE u.{column} = t.{column} AND u.i > 0)"])
        return f"SELECT t.ts, t.{column} FROM t WHERE {asked}"

    def value_sets(self):
        columns = self.one(["g", "m", "y", "g, k", "k, m"])
        name = self.one("uwz")
        return f"SELECT {columns} FROM t{self.where('t', 0.3)} {self.one(['UNION', 'INTERSECT', 'EXCEPT', 'EXCEPT ALL', 'INTERSECT ALL'])} SELECT {columns} FROM {name}"

    def value_ranked(self):
        order = self.one(["m NULLS FIRST, ts", "m DESC NULLS LAST, ts", "g NULLS FIRST, ts", "g DESC NULLS LAST, ts", "y NULLS FIRST, ts", "y DESC NULLS LAST, ts"])
        if self.often(0.3):
            return f"SELECT DISTINCT ON (k) k, ts, g FROM t ORDER BY k, {order}"
        return f"SELECT * FROM (SELECT k, ts, ROW_NUMBER() OVER (PARTITION BY k ORDER BY {order}) AS r FROM t) x WHERE r <= {self.upto(3, 1)}"

    def value_items(self):
        ours, theirs = self.array("t")
        where = self.where("t", 0.3)
        if self.often(0.4):
            left = "SELECT t.ts, l.item FROM t LEFT JOIN {} ON TRUE" + where
            return left.format(f"UNNEST({ours}) AS l (item)"), left.format(f"LATERAL (SELECT UNNEST({theirs}) AS item) l")
        if self.often(0.4):
            return self.both_of(lambda of: f"SELECT t.ts, l.item, l.place FROM t CROSS JOIN UNNEST({of}) WITH ORDINALITY AS l (item, place){where}", (ours, theirs))
        return self.both_of(lambda of: f"SELECT l.item, COUNT(*) AS n, MAX(t.k) AS x FROM t CROSS JOIN UNNEST({of}) AS l (item){where} GROUP BY l.item", (ours, theirs))

    def value_nothing(self):
        """Groupings without keys, and with sets of keys of which one is none, over nothing, a little or much."""
        of = self.one(["z", "z", "t", "t WHERE t.k = 99", "t WHERE t.k = 5 AND t.i > 0", "u WHERE FALSE"])
        name = of[0]
        call = lambda: self.one(["COUNT(*)", f"COUNT({name}.i)", f"SUM({name}.i)", f"COALESCE(SUM({name}.m), 0)", f"MAX({name}.s)", f"MIN({name}.y)", f"AVG({name}.f)", f"BOOL_OR({name}.b)", f"COUNT(DISTINCT {name}.k)", f"COUNT(*) FILTER (WHERE {name}.i > 0)"])
        having = self.one(["", "", " HAVING COUNT(*) > 0", " HAVING COUNT(*) < 5", f" HAVING MAX({name}.i) > 3"])
        group = f"SELECT {call()} AS x, {call()} AS y FROM {of}{having}"
        return self.made(
            lambda: group,
            lambda: f"SELECT u.ts, u.k, n.x, n.y FROM u CROSS JOIN ({group}) n",
            lambda: f"SELECT u.ts, n.n FROM u LEFT JOIN (SELECT COUNT(*) AS n FROM {of}{having}) n ON n.n = u.k",
            lambda: f"SELECT u.ts, u.k FROM u WHERE u.k {self.one(['>', '=', '<='])} (SELECT {self.one(['COUNT(*)', f'COALESCE(MAX({name}.k), 2)', f'SUM({name}.k)'])} FROM {of})",
            lambda: f"SELECT u.ts, (SELECT {call()} FROM {of}) AS x FROM u",
            lambda: f"SELECT u.ts FROM u WHERE {self.one(['', 'NOT '])}EXISTS (SELECT {call()} FROM {of}{having})",
            lambda: f"SELECT {name}.k, {name}.b, {call()} AS x FROM {of} GROUP BY {self.one([f'ROLLUP ({name}.k, {name}.b)', f'CUBE ({name}.k, {name}.b)', f'GROUPING SETS (({name}.k), ({name}.b), ())', f'GROUPING SETS (({name}.k, {name}.b), ())'])}",
            lambda: f"SELECT COUNT(*) AS n, SUM(x.n) AS m FROM (SELECT {name}.k, COUNT(*) AS n FROM {of} GROUP BY {name}.k) x",
            lambda: f"SELECT y FROM ({group}) a UNION ALL SELECT x FROM (SELECT NULL AS x FROM u WHERE u.k = 77) b",
        )

    def value_constant(self):
        """Rows of the program."""
        zero = lambda: f"CAST('{self.one(['-0.0', '0.0', '1.5', 'NaN'])}' AS DOUBLE)"
        rows = ", ".join(f"({self.upto(5)}, {self.one(['1.5', '-2.25', '0.0', 'NULL'])}, '{self.one(['a', 'b', ''])}')" for _ in range(self.upto(4, 1)))
        return self.made(
            lambda: f"SELECT v.a, v.b, v.c FROM (VALUES {rows}) v(a, b, c){self.one(['', ' WHERE v.a > 1', ' WHERE v.b IS NULL'])}",
            lambda: f"SELECT t.ts, v.b FROM t {self.one(['JOIN', 'LEFT JOIN'])} (VALUES {rows}) v(a, b, c) ON v.a = t.k AND t.s {self.one(['=', '<>'])} v.c",
            lambda: f"SELECT v.c, COUNT(*) AS n, SUM(v.b) AS x FROM (VALUES {rows}) v(a, b, c) GROUP BY v.c",
            lambda: f"SELECT t.k, {zero()} {self.one(['IN', 'NOT IN'])} ({zero()}, {zero()}) AS x, ARRAY[{zero()}] {self.one(['=', '<>', '<', 'IS DISTINCT FROM'])} ARRAY[{zero()}] AS y FROM t",
            lambda: f"SELECT v.a FROM (VALUES {rows}) v(a, b, c) {self.one(['EXCEPT', 'INTERSECT', 'UNION'])} SELECT t.k FROM t",
        )
