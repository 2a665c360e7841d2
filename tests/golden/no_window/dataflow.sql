-- Without a window a result changes with every tick and never closes.
CREATE SOURCE clicks (
  "user" VARCHAR, page VARCHAR, ms DOUBLE, ts TIMESTAMP(3)
) WITH ('connector' = 'filesystem', 'path' = 'input.ndjson', 'format' = 'json');

CREATE SINK result WITH ('connector' = 'filesystem', 'path' = 'out/result.ndjson', 'format' = 'json') AS
SELECT "user", COUNT(*) AS n, SUM(ms) AS total, MIN(ms) AS low, MAX(ms) AS high, AVG(ms) AS mean FROM clicks GROUP BY "user";

CREATE SINK totals WITH ('connector' = 'filesystem', 'path' = 'out/totals.ndjson', 'format' = 'json') AS
SELECT COUNT(*) AS n, SUM(ms) AS total FROM clicks;
