-- Views over views: a filter, a projection with an expression, a window, a filter on its result.
CREATE SOURCE clicks (
  "user" VARCHAR, page VARCHAR, ms DOUBLE, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'input.ndjson', 'format' = 'json');

CREATE VIEW slow AS SELECT "user", ms / 1000 AS seconds, ts FROM clicks WHERE ms > 250;
CREATE MATERIALIZED VIEW per_user AS
SELECT "user", window_start, window_end, COUNT(*) AS n, SUM(seconds) AS seconds
FROM TABLE(TUMBLE(TABLE slow, DESCRIPTOR(ts), INTERVAL '10' SECOND))
GROUP BY "user", window_start, window_end;

CREATE SINK result WITH ('connector' = 'filesystem', 'path' = 'out/result.ndjson', 'format' = 'json') AS
SELECT UPPER("user") AS who, window_end, n, seconds FROM per_user WHERE n > 1;
