-- rows: instants = input.ndjson
-- ignored: unix
-- ignored: same

WITH zoned AS (SELECT n, ts, ts AT TIME ZONE 'UTC' AS moment, ts AT TIME ZONE 'UTC' AT TIME ZONE 'America/Los_Angeles' AS clock FROM instants)
SELECT n, ts AS instant, clock AS shown, strftime(clock, '%Y-%m-%d') AS day, strftime(clock, '%Y-%m-%d %H:%M:%S') AS text,
  hour(clock) AS h, day(clock) AS d, week(clock) AS w, dayofweek(clock) + 1 AS dow, floor(epoch(moment))::BIGINT AS epoch,
  date_trunc('day', clock) AT TIME ZONE 'America/Los_Angeles' AT TIME ZONE 'UTC' AS midnight,
  date_trunc('month', clock) AT TIME ZONE 'America/Los_Angeles' AT TIME ZONE 'UTC' AS since,
  (date_trunc('year', clock) + INTERVAL 1 YEAR) AT TIME ZONE 'America/Los_Angeles' AT TIME ZONE 'UTC' AS until,
  datesub('hour', date_trunc('day', clock) AT TIME ZONE 'America/Los_Angeles', moment) AS hours,
  datesub('month', TIMESTAMP '1970-01-01', clock) AS months,
  datesub('hour', date_trunc('day', clock) AT TIME ZONE 'America/Los_Angeles', moment) AS mixed,
  datesub('minute', moment, CASE WHEN clock = date_trunc('day', clock) THEN clock ELSE date_trunc('day', clock) + INTERVAL 1 DAY END AT TIME ZONE 'America/Los_Angeles') AS left_over,
  clock > TIMESTAMP '2000-01-01' AS newer,
  ts + INTERVAL 24 HOUR AS later, (clock + INTERVAL 1 MONTH) AT TIME ZONE 'America/Los_Angeles' AT TIME ZONE 'UTC' AS next_month
FROM zoned
