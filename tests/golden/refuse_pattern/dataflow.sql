-- What a pattern cannot be, each told where it stands.
CREATE SOURCE quotes (
  symbol VARCHAR, price DOUBLE, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'input.ndjson', 'format' = 'json');

CREATE SINK s1 WITH ('connector' = 'blackhole') AS
SELECT * FROM quotes MATCH_RECOGNIZE (PARTITION BY symbol ORDER BY ts
  MEASURES A.price AS p PATTERN (A*) DEFINE A AS price > 1);

CREATE SINK s2 WITH ('connector' = 'blackhole') AS
SELECT * FROM quotes MATCH_RECOGNIZE (PARTITION BY symbol ORDER BY ts
  MEASURES A.price AS p PATTERN (A B) DEFINE A AS price > 1, D AS price > 2);

CREATE SINK s3 WITH ('connector' = 'blackhole') AS
SELECT * FROM quotes MATCH_RECOGNIZE (PARTITION BY symbol ORDER BY ts
  MEASURES A.price + PREV(A.cost) AS p PATTERN (A B) DEFINE A AS price > 1);

CREATE SINK s4 WITH ('connector' = 'blackhole') AS
SELECT * FROM quotes MATCH_RECOGNIZE (PARTITION BY symbol ORDER BY ts
  MEASURES A.price AS p PATTERN ((A? B?)+ A) DEFINE A AS price > 1);

CREATE SINK s5 WITH ('connector' = 'blackhole') AS
SELECT * FROM quotes MATCH_RECOGNIZE (PARTITION BY symbol ORDER BY ts
  MEASURES A.price AS p PATTERN (A B* $) DEFINE A AS price > 1);

CREATE SINK s6 WITH ('connector' = 'blackhole') AS
SELECT * FROM quotes MATCH_RECOGNIZE (PARTITION BY symbol ORDER BY ts
  MEASURES A.price AS p PATTERN (A B) WITHIN INTERVAL '0' SECOND DEFINE A AS price > 1);

CREATE SINK s7 WITH ('connector' = 'blackhole') AS
SELECT * FROM quotes MATCH_RECOGNIZE (PARTITION BY symbol ORDER BY ts
  MEASURES SUM(A.price - B.price) AS p PATTERN (A B) DEFINE A AS price > 1);

CREATE SINK s8 WITH ('connector' = 'blackhole') AS
SELECT * FROM quotes MATCH_RECOGNIZE (PARTITION BY symbol ORDER BY ts
  MEASURES STRING_AGG(A.symbol, ',') AS p PATTERN (A B) DEFINE A AS price > 1);

CREATE SINK s9 WITH ('connector' = 'blackhole') AS
SELECT * FROM quotes MATCH_RECOGNIZE (PARTITION BY symbol ORDER BY ts
  MEASURES A.price AS p PATTERN (A B) DEFINE A AS price);

CREATE SINK s10 WITH ('connector' = 'blackhole') AS
SELECT * FROM quotes MATCH_RECOGNIZE (PARTITION BY symbol ORDER BY ts
  MEASURES A.price AS symbol PATTERN (A B) DEFINE A AS price > 1);

CREATE SINK s11 WITH ('connector' = 'blackhole') AS
SELECT * FROM quotes MATCH_RECOGNIZE (PARTITION BY symbol ORDER BY ts
  MEASURES A.price AS p PATTERN (PERMUTE(A, B)) DEFINE A AS price > 1);

CREATE SINK s12 WITH ('connector' = 'blackhole') AS
SELECT * FROM quotes MATCH_RECOGNIZE (PARTITION BY symbol ORDER BY ts
  MEASURES A.price AS p AFTER MATCH SKIP TO LAST D PATTERN (A B) DEFINE A AS price > 1);

CREATE SINK s13 WITH ('connector' = 'blackhole') AS
SELECT * FROM quotes MATCH_RECOGNIZE (PARTITION BY symbol ORDER BY ts
  MEASURES A.price AS p PATTERN (A B) SUBSET U = (A, C) DEFINE A AS price > 1);

CREATE SINK s14 WITH ('connector' = 'blackhole') AS
SELECT * FROM quotes MATCH_RECOGNIZE (PARTITION BY symbol ORDER BY ts
  MEASURES A.price AS p PATTERN (A B) DEFINE A AS CLASSIFIER() = 'A');

CREATE SINK s15 WITH ('connector' = 'blackhole') AS
SELECT * FROM quotes MATCH_RECOGNIZE (PARTITION BY symbol ORDER BY ts
  MEASURES FINAL LAST(A.price) AS p ALL ROWS PER MATCH PATTERN (A B) DEFINE A AS price > 1);

CREATE SINK s16 WITH ('connector' = 'blackhole') AS
SELECT * FROM quotes MATCH_RECOGNIZE (PARTITION BY symbol ORDER BY ts
  MEASURES A.price AS p PATTERN (A B) DEFINE B AS price > FINAL LAST(A.price));

CREATE SINK wrong_order WITH ('connector' = 'blackhole') AS
SELECT * FROM quotes MATCH_RECOGNIZE (ORDER BY price MEASURES A.price AS p PATTERN (A) DEFINE A AS price > 1);

CREATE SINK retracting WITH ('connector' = 'blackhole') AS
SELECT * FROM (SELECT symbol, MAX(ts) AS ts, COUNT(*) AS n FROM quotes GROUP BY symbol)
MATCH_RECOGNIZE (PARTITION BY symbol ORDER BY ts MEASURES A.n AS n PATTERN (A) DEFINE A AS n > 1);
