-- Columns computed from others, one of them the event time.
CREATE SOURCE clicks (
  "user" VARCHAR, ms BIGINT, unix BIGINT,
  seconds AS ms / 1000.0, who AS UPPER("user"), ts AS TO_TIMESTAMP_LTZ(unix, 0),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'input.ndjson', 'format' = 'json');

CREATE SINK result WITH ('connector' = 'filesystem', 'path' = 'out/result.ndjson', 'format' = 'json') AS
SELECT who, window_end, COUNT(*) AS n, SUM(seconds) AS seconds
FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '10' SECOND))
GROUP BY who, window_start, window_end;
