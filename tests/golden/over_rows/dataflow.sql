-- Rolling over rows, two frames and LAG in one SELECT; rows up to 20 s late amend the rows behind them.
CREATE SOURCE clicks (
  "user" VARCHAR, page VARCHAR, ms DOUBLE, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'input.ndjson', 'format' = 'json', 'lateness' = '20 s');

CREATE SINK result WITH ('connector' = 'filesystem', 'path' = 'out/result.ndjson', 'format' = 'json') AS
SELECT "user", ts, ms,
  SUM(ms) OVER (PARTITION BY "user" ORDER BY ts ROWS BETWEEN 2 PRECEDING AND CURRENT ROW) AS total,
  COUNT(*) FILTER (WHERE ms > 300) OVER (PARTITION BY "user" ORDER BY ts ROWS BETWEEN 4 PRECEDING AND 1 PRECEDING) AS slow,
  LAG(page) OVER (PARTITION BY "user" ORDER BY ts) AS before
FROM clicks;
