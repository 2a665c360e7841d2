-- What the clocks of Los Angeles show at instants: every function of a time reads them.
SET 'table.local-time-zone' = 'America/Los_Angeles';
CREATE SOURCE instants (n BIGINT, ts TIMESTAMP(3) WITH LOCAL TIME ZONE, WATERMARK FOR ts AS ts)
WITH ('connector' = 'filesystem', 'path' = 'input.ndjson', 'format' = 'json', 'lateness' = 'unbounded');

CREATE SINK result WITH ('connector' = 'filesystem', 'path' = 'out/result.ndjson', 'format' = 'json') AS
SELECT n, ts AS instant, CAST(ts AS TIMESTAMP(3)) AS shown, CAST(ts AS DATE) AS day,
  DATE_FORMAT(ts, 'yyyy-MM-dd HH:mm:ss') AS text,
  EXTRACT(HOUR FROM ts) AS h, EXTRACT(DAY FROM ts) AS d, EXTRACT(WEEK FROM ts) AS w, DAYOFWEEK(ts) AS dow, EXTRACT(EPOCH FROM ts) AS epoch,
  FLOOR(ts TO DAY) AS midnight, FLOOR(ts TO MONTH) AS since, CEIL(ts TO YEAR) AS until,
  TIMESTAMPDIFF(HOUR, FLOOR(ts TO DAY), ts) AS hours, TIMESTAMPDIFF(MONTH, TIMESTAMP '1970-01-01 00:00:00', ts) AS months,
  TIMESTAMPDIFF(HOUR, CAST(FLOOR(ts TO DAY) AS TIMESTAMP(3)), ts) AS mixed, TIMESTAMPDIFF(MINUTE, ts, CAST(CEIL(ts TO DAY) AS TIMESTAMP(3))) AS left_over,
  CONVERT_TZ(DATE_FORMAT(ts, 'yyyy-MM-dd HH:mm:ss'), 'America/Los_Angeles', 'America/Los_Angeles') AS same,
  FROM_UNIXTIME(UNIX_TIMESTAMP(ts)) AS unix,
  ts > TIMESTAMP '2000-01-01 00:00:00' AS newer,
  ts + INTERVAL '1' DAY AS later, TIMESTAMPADD(MONTH, 1, ts) AS next_month
FROM instants;
