-- Zones that are named in the data, about the moments when their clocks are changed. What clocks show twice is the first time.
CREATE SOURCE moments (n BIGINT, zone VARCHAR, ts TIMESTAMP(3), WATERMARK FOR ts AS ts)
WITH ('connector' = 'filesystem', 'path' = 'input.ndjson', 'format' = 'json', 'lateness' = 'unbounded');

CREATE SINK result WITH ('connector' = 'filesystem', 'path' = 'out/result.ndjson', 'format' = 'json') AS
SELECT n, zone, ts, CONVERT_TZ(ts, 'UTC', zone) AS shown, CONVERT_TZ(CONVERT_TZ(ts, 'UTC', zone), zone, 'UTC') AS back,
  CONVERT_TZ(DATE_FORMAT(ts, 'yyyy-MM-dd HH:mm:ss'), 'GMT', zone) AS text
FROM moments;
