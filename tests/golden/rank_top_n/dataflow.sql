-- The three slowest requests of each page with their numbers, which change as slower ones come; NULL is below every value.
CREATE SOURCE clicks (
  "user" VARCHAR, page VARCHAR, ms DOUBLE, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'input.ndjson', 'format' = 'json');

CREATE SINK result WITH ('connector' = 'filesystem', 'path' = 'out/result.ndjson', 'format' = 'json') AS
SELECT page, nth, ms, ts
FROM (SELECT page, ms, ts, ROW_NUMBER() OVER (PARTITION BY page ORDER BY ms DESC) AS nth FROM clicks)
WHERE nth <= 3;
