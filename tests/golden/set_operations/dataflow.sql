-- DISTINCT, INTERSECT, EXCEPT and UNION: each row once, a NULL equal to a NULL.
CREATE SOURCE clicks (
  "user" VARCHAR, page VARCHAR, ms DOUBLE, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'clicks.ndjson', 'format' = 'json');
CREATE SOURCE taps (
  "user" VARCHAR, page VARCHAR, ms DOUBLE, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'taps.ndjson', 'format' = 'json');

CREATE SINK distinct_rows WITH ('connector' = 'filesystem', 'path' = 'out/distinct_rows.ndjson', 'format' = 'json') AS
SELECT DISTINCT "user", page FROM clicks;

CREATE SINK distinct_one WITH ('connector' = 'filesystem', 'path' = 'out/distinct_one.ndjson', 'format' = 'json') AS
SELECT DISTINCT ms FROM clicks;

CREATE SINK both WITH ('connector' = 'filesystem', 'path' = 'out/both.ndjson', 'format' = 'json') AS
SELECT "user", page FROM clicks INTERSECT SELECT "user", page FROM taps;

CREATE SINK first_only WITH ('connector' = 'filesystem', 'path' = 'out/first_only.ndjson', 'format' = 'json') AS
SELECT "user", page FROM clicks EXCEPT SELECT "user", page FROM taps;

CREATE SINK either WITH ('connector' = 'filesystem', 'path' = 'out/either.ndjson', 'format' = 'json') AS
SELECT "user", page FROM clicks UNION SELECT "user", page FROM taps;

CREATE SINK chained WITH ('connector' = 'filesystem', 'path' = 'out/chained.ndjson', 'format' = 'json') AS
(SELECT "user" FROM clicks UNION SELECT "user" FROM taps) EXCEPT SELECT "user" FROM taps WHERE ms > 2;

CREATE SINK counted WITH ('connector' = 'filesystem', 'path' = 'out/counted.ndjson', 'format' = 'json') AS
SELECT page, COUNT(*) AS users FROM (SELECT "user", page FROM clicks EXCEPT SELECT "user", page FROM taps WHERE ms < 3) GROUP BY page;
