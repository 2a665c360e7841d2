-- A frame ends at its row: rows behind it are yet to come.
CREATE SOURCE clicks (
  "user" VARCHAR, page VARCHAR, ms DOUBLE, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'input.ndjson', 'format' = 'json');

CREATE SINK result WITH ('connector' = 'filesystem', 'path' = 'out/result.ndjson', 'format' = 'json') AS
SELECT "user", AVG(ms) OVER (PARTITION BY "user" ORDER BY ts ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING) AS mean
FROM clicks;
