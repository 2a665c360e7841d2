-- Deduplication, keep last, with QUALIFY: a newer row takes the older one back.
CREATE SOURCE clicks (
  "user" VARCHAR, page VARCHAR, ms DOUBLE, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'input.ndjson', 'format' = 'json');

CREATE SINK result WITH ('connector' = 'filesystem', 'path' = 'out/result.ndjson', 'format' = 'json') AS
SELECT "user", ms, ts FROM clicks
QUALIFY ROW_NUMBER() OVER (PARTITION BY "user" ORDER BY ts DESC) = 1;
