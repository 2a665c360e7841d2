-- Rolling over the last 4 s of each user, the row itself and all of its time included; appended once the watermark has passed a row.
CREATE SOURCE clicks (
  "user" VARCHAR, page VARCHAR, ms DOUBLE, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'input.ndjson', 'format' = 'json');

CREATE SINK result WITH ('connector' = 'filesystem', 'path' = 'out/result.ndjson', 'format' = 'json') AS
SELECT "user", ts, ms,
  COUNT(*) OVER w AS n, AVG(ms) OVER w AS mean, MAX(ms) OVER w AS high, COUNT(DISTINCT page) OVER w AS pages
FROM clicks
WINDOW w AS (PARTITION BY "user" ORDER BY ts RANGE BETWEEN INTERVAL '4' SECOND PRECEDING AND CURRENT ROW);
