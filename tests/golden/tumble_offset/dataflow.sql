-- Windows of a minute that begin 15 s past it.
CREATE SOURCE clicks (
  "user" VARCHAR, page VARCHAR, ms DOUBLE, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'input.ndjson', 'format' = 'json');

CREATE SINK result WITH ('connector' = 'filesystem', 'path' = 'out/result.ndjson', 'format' = 'json') AS
SELECT window_start, window_end, window_time, COUNT(*) AS n
FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '1' MINUTE, INTERVAL '15' SECOND))
GROUP BY window_start, window_end, window_time;
