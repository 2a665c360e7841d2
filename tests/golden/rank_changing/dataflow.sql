-- The three users with the most clicks: a ranking of counts that change, so rows are taken back all the time. Rows 2 to 3 only.
CREATE SOURCE clicks (
  "user" VARCHAR, page VARCHAR, ms DOUBLE, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'input.ndjson', 'format' = 'json');

CREATE SINK result WITH ('connector' = 'filesystem', 'path' = 'out/result.ndjson', 'format' = 'json') AS
SELECT "user", n FROM (SELECT "user", COUNT(*) AS n, SUM(ms) AS total FROM clicks GROUP BY "user")
ORDER BY n DESC, "user" LIMIT 2 OFFSET 1;
