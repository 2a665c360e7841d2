-- Deduplication, keep first: of each user and page the first row by event time; ties go by the row's place in the source (J5, J6).
CREATE SOURCE clicks (
  "user" VARCHAR, page VARCHAR, ms DOUBLE, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'input.ndjson', 'format' = 'json', 'lateness' = '20 s');

CREATE SINK result WITH ('connector' = 'filesystem', 'path' = 'out/result.ndjson', 'format' = 'json') AS
SELECT "user", page, ms, ts
FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY "user", page ORDER BY ts) AS rn FROM clicks)
WHERE rn = 1;
