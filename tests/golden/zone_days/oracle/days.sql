-- accepted: readings = input.ndjson, ts, 0, 0

WITH zoned AS (SELECT date_trunc('day', ts AT TIME ZONE 'UTC' AT TIME ZONE 'Europe/Berlin') AS day, COUNT(*) AS n FROM readings GROUP BY day),
  bounds AS (SELECT day, n, day AT TIME ZONE 'Europe/Berlin' AS since, (day + INTERVAL 1 DAY) AT TIME ZONE 'Europe/Berlin' AS until FROM zoned)
SELECT strftime(day, '%Y-%m-%d 00:00 +0') || datesub('hour', since, day AT TIME ZONE 'UTC') || ':00' AS since, day + INTERVAL 1 DAY AS until,
  until AT TIME ZONE 'UTC' - INTERVAL 1 MILLISECOND AS window_time, n, datesub('hour', since, until) AS hours
FROM bounds
