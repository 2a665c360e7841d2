-- Alternatives from the left, reluctant and greedy quantifiers, and where the next match may start.
CREATE SOURCE quotes (
  symbol VARCHAR, price DOUBLE, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'input.ndjson', 'format' = 'json');

CREATE SINK past WITH ('connector' = 'filesystem', 'path' = 'out/past.ndjson', 'format' = 'json') AS
SELECT * FROM quotes MATCH_RECOGNIZE (
  PARTITION BY symbol ORDER BY ts
  MEASURES FIRST(ts) AS began, LAST(ts) AS ended, COUNT(*) AS n, SUM(B.price) AS b, CLASSIFIER() AS last_is
  ONE ROW PER MATCH
  AFTER MATCH SKIP PAST LAST ROW
  PATTERN (A B+? (C | B B)) WITHIN INTERVAL '90' SECOND
  DEFINE A AS price < 12, B AS B.price BETWEEN 9 AND 15, C AS C.price > 11
) AS m;

CREATE SINK next WITH ('connector' = 'filesystem', 'path' = 'out/next.ndjson', 'format' = 'json') AS
SELECT * FROM quotes MATCH_RECOGNIZE (
  PARTITION BY symbol ORDER BY ts
  MEASURES FIRST(ts) AS began, LAST(ts) AS ended, COUNT(*) AS n, SUM(B.price) AS b, CLASSIFIER() AS last_is
  ONE ROW PER MATCH
  AFTER MATCH SKIP TO NEXT ROW
  PATTERN (A B+ (C | A)) WITHIN INTERVAL '90' SECOND
  DEFINE A AS price < 12, B AS B.price BETWEEN 9 AND 15, C AS C.price > 11
) AS m;

CREATE SINK first WITH ('connector' = 'filesystem', 'path' = 'out/first.ndjson', 'format' = 'json') AS
SELECT * FROM quotes MATCH_RECOGNIZE (
  PARTITION BY symbol ORDER BY ts
  MEASURES FIRST(ts) AS began, LAST(ts) AS ended, COUNT(*) AS n, SUM(B.price) AS b, CLASSIFIER() AS last_is
  ONE ROW PER MATCH
  AFTER MATCH SKIP TO FIRST B
  PATTERN (A (B | C)*? C) WITHIN INTERVAL '90' SECOND
  DEFINE A AS price < 12, B AS B.price BETWEEN 9 AND 15, C AS C.price > 11
) AS m;

CREATE SINK last WITH ('connector' = 'filesystem', 'path' = 'out/last.ndjson', 'format' = 'json') AS
SELECT * FROM quotes MATCH_RECOGNIZE (
  PARTITION BY symbol ORDER BY ts
  MEASURES FIRST(ts) AS began, LAST(ts) AS ended, COUNT(*) AS n, SUM(B.price) AS b, CLASSIFIER() AS last_is
  ONE ROW PER MATCH
  AFTER MATCH SKIP TO LAST B
  PATTERN (A? B{2} C??) WITHIN INTERVAL '90' SECOND
  DEFINE A AS price < 12, B AS B.price BETWEEN 9 AND 15, C AS C.price > 11
) AS m;
