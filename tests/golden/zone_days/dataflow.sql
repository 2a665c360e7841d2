-- Days of Berlin: one of 23 hours, one of 25. An hour that comes twice is one window, as in Flink.
SET 'table.local-time-zone' = 'Europe/Berlin';
CREATE SOURCE readings (k VARCHAR, n BIGINT, ts TIMESTAMP_LTZ(3), WATERMARK FOR ts AS ts)
WITH ('connector' = 'filesystem', 'path' = 'input.ndjson', 'format' = 'json');

CREATE SINK days WITH ('connector' = 'filesystem', 'path' = 'out/days.ndjson', 'format' = 'json') AS
SELECT DATE_FORMAT(window_start, 'yyyy-MM-dd HH:mm XXX') AS since, CAST(window_end AS TIMESTAMP(3)) AS until, window_time, COUNT(*) AS n,
  TIMESTAMPDIFF(HOUR, window_start, window_end) AS hours
FROM TABLE(TUMBLE(TABLE readings, DESCRIPTOR(ts), INTERVAL '1' DAY)) GROUP BY window_start, window_end, window_time;

CREATE SINK hours WITH ('connector' = 'filesystem', 'path' = 'out/hours.ndjson', 'format' = 'json') AS
SELECT window_start, window_end, COUNT(*) AS n
FROM TABLE(TUMBLE(TABLE readings, DESCRIPTOR(ts), INTERVAL '30' MINUTE)) GROUP BY window_start, window_end HAVING COUNT(*) > 1;

CREATE SINK hops WITH ('connector' = 'filesystem', 'path' = 'out/hops.ndjson', 'format' = 'json') AS
SELECT k, window_start, window_end, COUNT(*) AS n
FROM TABLE(HOP(TABLE readings, DESCRIPTOR(ts), INTERVAL '12' HOUR, INTERVAL '1' DAY)) GROUP BY k, window_start, window_end;

CREATE SINK grown WITH ('connector' = 'filesystem', 'path' = 'out/grown.ndjson', 'format' = 'json') AS
SELECT window_start, window_end, COUNT(*) AS n
FROM TABLE(CUMULATE(TABLE readings, DESCRIPTOR(ts), INTERVAL '30' MINUTE, INTERVAL '4' HOUR))
WHERE ts < TIMESTAMP '2024-03-31 08:00:00' AND ts >= TIMESTAMP '2024-03-31 00:00:00' GROUP BY window_start, window_end;

CREATE SINK weeks WITH ('connector' = 'filesystem', 'path' = 'out/weeks.ndjson', 'format' = 'json') AS
SELECT FLOOR(day_end TO WEEK) AS week, window_end, SUM(n) AS n, COUNT(*) AS days
FROM TABLE(TUMBLE((SELECT window_time AS day_end, n FROM (
  SELECT window_start, window_end, window_time, COUNT(*) AS n
  FROM TABLE(TUMBLE(TABLE readings, DESCRIPTOR(ts), INTERVAL '1' DAY)) GROUP BY window_start, window_end, window_time)),
  DESCRIPTOR(day_end), INTERVAL '2' DAY)) GROUP BY FLOOR(day_end TO WEEK), window_start, window_end;
