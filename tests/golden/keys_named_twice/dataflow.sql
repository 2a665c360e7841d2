-- A key that is named twice in GROUP BY is one column.
CREATE SOURCE clicks (
  "user" VARCHAR, page VARCHAR, ms DOUBLE, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'input.ndjson', 'format' = 'json');

CREATE SINK result WITH ('connector' = 'filesystem', 'path' = 'out/result.ndjson', 'format' = 'json') AS
SELECT "user" AS a, "user" AS b, COUNT(*) AS n, SUM(ms) AS total FROM clicks GROUP BY "user", "user";

CREATE SINK computed WITH ('connector' = 'filesystem', 'path' = 'out/computed.ndjson', 'format' = 'json') AS
SELECT ms > 200 AS slow, page, MAX(ms) AS top FROM clicks GROUP BY ms > 200, page, ms > 200;

CREATE SINK sets WITH ('connector' = 'filesystem', 'path' = 'out/sets.ndjson', 'format' = 'json') AS
SELECT page, "user", COUNT(*) AS n FROM clicks GROUP BY ROLLUP (page, "user");
