-- A frame follows event time and nothing else.
CREATE SOURCE clicks (
  "user" VARCHAR, page VARCHAR, ms DOUBLE, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'input.ndjson', 'format' = 'json');

CREATE SINK result WITH ('connector' = 'filesystem', 'path' = 'out/result.ndjson', 'format' = 'json') AS
SELECT "user", AVG(ms) OVER (PARTITION BY "user" ORDER BY ms ROWS BETWEEN 9 PRECEDING AND CURRENT ROW) AS mean
FROM clicks;
