"""What is run: two sources that clients push to, and pieces of SQL over them, each a few views and sinks. `COLUMNS` says how what a
sink wrote is read again."""

SOURCES = """
CREATE SOURCE clicks (
  id BIGINT, user_id VARCHAR, page VARCHAR, ms BIGINT, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'http', 'format' = 'json', 'lateness' = '20 s', 'dedup.key' = 'id', 'dedup.horizon' = '10000 d');
CREATE SOURCE orders (
  id BIGINT, user_id VARCHAR, amount BIGINT, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'http', 'format' = 'json', 'dedup.key' = 'id', 'dedup.horizon' = '10000 d');
"""

# How far behind the newest row of a source a row is taken, in ms.
TAKEN_MS = {"clicks": 25_000, "orders": 5_000}

WINDOWS = """
CREATE MATERIALIZED VIEW pages AS
SELECT page, window_start, window_end, COUNT(*) AS n, SUM(ms) AS total, COUNT(DISTINCT user_id) AS users
FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY page, window_start, window_end EMIT CHANGES;
CREATE MATERIALIZED VIEW hops AS
SELECT user_id, window_start, window_end, COUNT(*) AS n, AVG(ms) AS mean, APPROX_PERCENTILE(ms, 0.9) AS p90
FROM TABLE(HOP(TABLE clicks, DESCRIPTOR(ts), INTERVAL '5' SECOND, INTERVAL '20' SECOND)) GROUP BY user_id, window_start, window_end;
CREATE MATERIALIZED VIEW sums AS
SELECT user_id, window_start, window_end, COUNT(*) AS n, SUM(amount) AS total
FROM TABLE(CUMULATE(TABLE orders, DESCRIPTOR(ts), INTERVAL '5' SECOND, INTERVAL '20' SECOND)) GROUP BY user_id, window_start, window_end;
CREATE SINK hops_file WITH ('connector' = 'filesystem', 'path' = 'out/hops.ndjson', 'format' = 'json') AS SELECT * FROM hops;
"""

FORMATS = """
CREATE VIEW minutes AS
SELECT user_id, window_end, COUNT(*) AS n, SUM(amount) AS total
FROM TABLE(TUMBLE(TABLE orders, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY user_id, window_start, window_end;
CREATE SINK minutes_json WITH ('connector' = 'filesystem', 'path' = 'out/minutes.ndjson', 'format' = 'json') AS SELECT * FROM minutes;
CREATE SINK minutes_csv WITH ('connector' = 'filesystem', 'path' = 'out/minutes.csv', 'format' = 'csv') AS SELECT * FROM minutes;
CREATE SINK minutes_msgpack WITH ('connector' = 'filesystem', 'path' = 'out/minutes.msgpack', 'format' = 'msgpack') AS SELECT * FROM minutes;
CREATE SINK minutes_arrow WITH ('connector' = 'filesystem', 'path' = 'out/minutes.arrow', 'format' = 'arrow') AS SELECT * FROM minutes;
CREATE SINK minutes_parquet WITH ('connector' = 'filesystem', 'path' = 'out/minutes.parquet', 'format' = 'parquet') AS SELECT * FROM minutes;
CREATE SINK minutes_folder WITH ('connector' = 'filesystem', 'path' = 'out/minutes/', 'format' = 'json') AS SELECT * FROM minutes;
CREATE VIEW spent_by AS SELECT user_id, COUNT(*) AS n, SUM(amount) AS total FROM orders GROUP BY user_id;
""" + "".join(
    # Of many files: by partition, and ended one after another, at a size, by the clock, or both.
    f"CREATE SINK {view}_{form}_{kind} {by} WITH ('connector' = 'filesystem', 'path' = 'out/{view}_{form}_{kind}/', 'format' = '{form}'{rolls}) AS SELECT * FROM {view};\n"
    for form in ("json", "csv", "msgpack", "arrow", "parquet")
    for view, kind, by, rolls in (
        ("minutes", "by", "PARTITIONED BY (user_id)", ""),
        ("minutes", "sized", "", ", 'sink.rolling-policy.file-size' = '700'"),
        ("minutes", "aged", "PARTITIONED BY (user_id)", ", 'sink.rolling-policy.rollover-interval' = '300 ms'"),
        ("spent_by", "both", "PARTITIONED BY (user_id)", ", 'sink.rolling-policy.file-size' = '2000', 'sink.rolling-policy.rollover-interval' = '500 ms'"),
    )
    if view == "minutes" or form in ("json", "csv")
)

SESSIONS = """
CREATE MATERIALIZED VIEW visits AS
SELECT user_id, window_start, window_end, COUNT(*) AS n, SUM(ms) AS total, LAST_VALUE(page) AS last_page
FROM TABLE(SESSION(TABLE clicks PARTITION BY user_id, DESCRIPTOR(ts), INTERVAL '4' SECOND)) GROUP BY user_id, window_start, window_end;
CREATE MATERIALIZED VIEW watched AS
SELECT user_id, window_start, window_end, COUNT(*) AS n
FROM TABLE(SESSION(TABLE orders PARTITION BY user_id, DESCRIPTOR(ts), INTERVAL '6' SECOND)) GROUP BY user_id, window_start, window_end EMIT CHANGES;
CREATE SINK visits_file WITH ('connector' = 'filesystem', 'path' = 'out/visits.ndjson', 'format' = 'json') AS SELECT * FROM visits;
"""

JOINS = """
CREATE MATERIALIZED VIEW bought AS
SELECT o.id AS order_id, c.id AS click_id, o.user_id, c.page, o.amount
FROM orders o JOIN clicks c ON o.user_id = c.user_id AND c.ts BETWEEN o.ts - INTERVAL '3' SECOND AND o.ts;
CREATE MATERIALIZED VIEW unseen AS
SELECT o.id AS order_id, o.user_id, c.id AS click_id
FROM orders o LEFT JOIN clicks c ON o.user_id = c.user_id AND c.ts BETWEEN o.ts AND o.ts + INTERVAL '1' SECOND WHERE o.amount > 80;
CREATE MATERIALIZED VIEW spent AS
SELECT c.user_id, COUNT(*) AS pairs, SUM(o.amount) AS amount
FROM (SELECT user_id, COUNT(*) AS n FROM clicks GROUP BY user_id) c JOIN orders o ON c.user_id = o.user_id AND o.amount > 95 GROUP BY c.user_id;
CREATE SINK bought_file WITH ('connector' = 'filesystem', 'path' = 'out/bought.ndjson', 'format' = 'json') AS SELECT * FROM bought;
CREATE SINK unseen_file WITH ('connector' = 'filesystem', 'path' = 'out/unseen.ndjson', 'format' = 'json') AS SELECT * FROM unseen;
"""

PATTERNS = """
CREATE MATERIALIZED VIEW rising AS
SELECT * FROM orders MATCH_RECOGNIZE (
  PARTITION BY user_id ORDER BY ts
  MEASURES FIRST(A.id) AS first_id, LAST(UP.id) AS last_id, COUNT(UP.id) AS ups, UP.ts AS ended
  PATTERN (A UP{2,}) WITHIN INTERVAL '30' SECOND DEFINE UP AS UP.amount > PREV(UP.amount));
CREATE SINK rising_file WITH ('connector' = 'filesystem', 'path' = 'out/rising.ndjson', 'format' = 'json') AS SELECT * FROM rising;
"""

RANKS = """
CREATE MATERIALIZED VIEW newest AS
SELECT user_id, id, amount, ts FROM orders QUALIFY ROW_NUMBER() OVER (PARTITION BY user_id ORDER BY ts DESC, id DESC) = 1;
CREATE MATERIALIZED VIEW oldest AS
SELECT page, id, ts FROM clicks QUALIFY ROW_NUMBER() OVER (PARTITION BY page ORDER BY ts, id) = 1;
CREATE MATERIALIZED VIEW top AS
SELECT * FROM (SELECT *, RANK() OVER (PARTITION BY window_start, window_end ORDER BY n DESC) AS place FROM (
  SELECT page, window_start, window_end, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '10' SECOND))
  GROUP BY page, window_start, window_end)) WHERE place <= 2;
CREATE MATERIALIZED VIEW totals AS SELECT COUNT(*) AS n, SUM(ms) AS ms, MAX(ts) AS newest, COUNT(DISTINCT user_id) AS users FROM clicks;
CREATE SINK top_file WITH ('connector' = 'filesystem', 'path' = 'out/top.ndjson', 'format' = 'json') AS SELECT * FROM top;
CREATE SINK newest_file WITH ('connector' = 'filesystem', 'path' = 'out/newest.csv', 'format' = 'csv') AS SELECT * FROM newest;
"""

OVER = """
CREATE MATERIALIZED VIEW running AS
SELECT id, user_id, SUM(amount) OVER (PARTITION BY user_id ORDER BY ts ROWS BETWEEN 2 PRECEDING AND CURRENT ROW) AS three FROM orders;
"""

# What fails on some rows: dead letters of a view.
FAILING = """
CREATE MATERIALIZED VIEW shares AS SELECT id, 1000 / (amount - 50) AS share FROM orders;
"""

TABLES = """
CREATE TABLE users (id VARCHAR PRIMARY KEY, plan_name VARCHAR, score BIGINT);
CREATE MATERIALIZED VIEW plans AS
SELECT u.plan_name, COUNT(*) AS n, SUM(o.amount) AS amount FROM orders o JOIN users u ON o.user_id = u.id GROUP BY u.plan_name;
"""

# After Jamie Brandon, "Internal consistency in streaming systems": each order moves an amount from one account to another. In every epoch
# that anybody sees the total is 0, and no order lacks its partner (ZERO, EQUAL).
TRANSFERS = """
CREATE VIEW debits AS SELECT user_id AS account, SUM(amount) AS debits FROM orders GROUP BY user_id;
CREATE VIEW credits AS SELECT 'u' || CAST(id % 7 AS VARCHAR) AS account, SUM(amount) AS credits FROM orders GROUP BY 'u' || CAST(id % 7 AS VARCHAR);
CREATE VIEW balance AS
SELECT COALESCE(c.account, d.account) AS account, COALESCE(c.credits, 0) - COALESCE(d.debits, 0) AS balance, c.credits
FROM credits c FULL JOIN debits d ON c.account = d.account;
CREATE MATERIALIZED VIEW total AS SELECT SUM(balance) AS total, SUM(credits) AS moved FROM balance;
CREATE MATERIALIZED VIEW pairs AS SELECT a.id, b.id AS other FROM orders a LEFT JOIN orders b ON a.id = b.id;
CREATE SINK total_file WITH ('connector' = 'filesystem', 'path' = 'out/total.ndjson', 'format' = 'json') AS SELECT * FROM total;
CREATE SINK pairs_file WITH ('connector' = 'filesystem', 'path' = 'out/pairs.ndjson', 'format' = 'json') AS SELECT * FROM pairs;
"""


def consistent(view, row):
    """Whether a row of a view is one that may be seen in some epoch."""
    return row["total"] in (0, None) if view == "total" else row["id"] == row["other"] if view == "pairs" else True


# What a worker takes long for, so that more comes than it takes.
SLOW = """
CREATE MATERIALIZED VIEW slow AS SELECT user_id, COUNT(*) AS n, MAX(MD5(REPEAT(user_id, 30000))) AS hash FROM clicks GROUP BY user_id;
"""

# In the order of arrival: what of each source was taken.
TAKEN = """
CREATE SINK taken_clicks WITH ('connector' = 'filesystem', 'path' = 'out/taken_clicks.ndjson', 'format' = 'json') AS SELECT id FROM clicks;
CREATE SINK taken_orders WITH ('connector' = 'filesystem', 'path' = 'out/taken_orders.ndjson', 'format' = 'json') AS SELECT id FROM orders;
"""

PIECES = {
    "windows": WINDOWS, "formats": FORMATS, "sessions": SESSIONS, "joins": JOINS, "patterns": PATTERNS, "ranks": RANKS, "over": OVER,
    "failing": FAILING, "tables": TABLES, "transfers": TRANSFERS,
}


def program(pieces, sinks=True, behind=False, cluster=False):
    # What the workers have no room for waits in the log.
    sources = SOURCES.replace("'format' = 'json'", "'format' = 'json', 'queue-rows' = '20'") if behind else SOURCES
    if cluster:
        # What is pushed to all processes has one watermark, so what is late depends on when they hear of it.
        sources = sources.replace("'lateness' = '20 s', ", "").replace("'dedup.key'", "'lateness' = 'unbounded', 'dedup.key'")
    text = sources + "".join(PIECES[piece] for piece in pieces) + (SLOW if behind else "") + TAKEN
    if sinks:
        return text
    return "\n".join(line for line in text.splitlines() if not line.startswith("CREATE SINK"))


def names(text, what):
    words = [line.split() for line in text.splitlines()]
    return [line[len(what.split())] for line in words if line[:len(what.split())] == what.split()]


def views(text):
    return names(text, "CREATE MATERIALIZED VIEW")


class Rows:
    """The rows of a source in the order in which they are sent, from a seed: a bit out of order, some late, a few much too late."""

    def __init__(self, source, random, sizes=(1, 1, 2, 5, 20), process=None):
        self.source, self.random, self.now, self.sizes = source, random, 1_767_225_600_000, sizes
        # Rows that go to several processes have times of their own, since of those of one time the one that came first is first.
        self.id, self.process, self.times = (process or 0) * 1_000_000_000, process, set()

    def body(self):
        rows = []
        for _ in range(self.random.choice(self.sizes)):
            self.now += self.random.choice((0, 1, 50, 200, 700))
            behind = self.random.choice((0, 0, 0, 500, 3_000, 4_999, 12_000, 24_000, 60_000))
            self.id += 1
            row = {"id": self.id, "user_id": f"u{self.random.randrange(7)}", "ts": self.own(self.now - behind)}
            if self.source == "clicks":
                row |= {"page": f"/{self.random.randrange(5)}", "ms": self.random.randrange(1000)}
            else:
                row |= {"amount": self.random.randrange(100)}
            rows.append(row)
        return rows

    def own(self, ts):
        if self.process is None:
            return ts
        ts += (ts + self.process) % 2
        while ts in self.times:
            ts += 2
        self.times.add(ts)
        return ts

    def last(self):
        """A row that closes everything before it."""
        self.now += 86_400_000
        self.id += 1
        more = {"page": "/last", "ms": 1} if self.source == "clicks" else {"amount": 1}
        return [{"id": self.id, "user_id": "last", "ts": self.now} | more]


class Edge:
    """Which rows a source takes, told again by the rule: those not further than so behind the newest before them (W1, L1)."""

    def __init__(self, source, within=None):
        self.source, self.within, self.newest, self.seen = source, within or TAKEN_MS[source], None, set()

    def copy(self):
        other = Edge(self.source, self.within)
        other.newest, other.seen = self.newest, set(self.seen)
        return other

    def takes(self, rows):
        taken = []
        for row in rows:
            if row["id"] in self.seen:
                continue
            if self.newest is None or row["ts"] >= self.newest - self.within:
                taken.append(row["id"])
                self.seen.add(row["id"])
            self.newest = row["ts"] if self.newest is None else max(self.newest, row["ts"])
        return taken
