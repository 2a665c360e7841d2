-- A grouped view over a grouped view with EMIT CHANGES takes back what it counted (C2).
CREATE SOURCE clicks (
  "user" VARCHAR, page VARCHAR, ms DOUBLE, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'input.ndjson', 'format' = 'json');

CREATE VIEW per_user AS
SELECT "user", window_start, window_end, COUNT(*) AS n, MAX(ms) AS worst
FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '10' SECOND))
GROUP BY "user", window_start, window_end
EMIT CHANGES;

CREATE SINK result WITH ('connector' = 'filesystem', 'path' = 'out/result.ndjson', 'format' = 'json') AS
SELECT n, COUNT(*) AS users, MAX(worst) AS worst, MIN("user") AS first_user FROM per_user GROUP BY n;
