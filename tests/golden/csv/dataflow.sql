-- CSV in (a header, quotes, empty fields for NULL) and CSV out.
CREATE SOURCE clicks (
  "user" VARCHAR, page VARCHAR, ms DOUBLE, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'input.csv', 'format' = 'csv', 'csv.header' = 'true');

CREATE SINK result WITH ('connector' = 'filesystem', 'path' = 'out/result.ndjson', 'format' = 'json') AS
SELECT "user", page, window_end, COUNT(*) AS n, SUM(ms) AS total
FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '10' SECOND))
GROUP BY "user", page, window_start, window_end;

CREATE SINK slow WITH ('connector' = 'filesystem', 'path' = 'out/slow.csv', 'format' = 'csv') AS
SELECT * FROM clicks WHERE ms > 800;
