-- Two sources in one result; the slower watermark closes its windows (W5), a finished source holds nothing back (W7).
CREATE SOURCE clicks (
  "user" VARCHAR, page VARCHAR, ms DOUBLE, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'input.ndjson', 'format' = 'json');
CREATE SOURCE taps (
  "user" VARCHAR, page VARCHAR, ms DOUBLE, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'taps.ndjson', 'format' = 'json');

CREATE VIEW events AS SELECT 'click' AS kind, * FROM clicks UNION ALL SELECT 'tap' AS kind, * FROM taps;

CREATE SINK result WITH ('connector' = 'filesystem', 'path' = 'out/result.ndjson', 'format' = 'json') AS
SELECT kind, window_end, COUNT(*) AS n, SUM(ms) AS total
FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(ts), INTERVAL '10' SECOND))
GROUP BY kind, window_start, window_end;

CREATE SINK slow WITH ('connector' = 'filesystem', 'path' = 'out/slow.ndjson', 'format' = 'json') AS
SELECT kind, "user", ms FROM events WHERE ms > 900;
