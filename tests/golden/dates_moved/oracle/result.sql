-- rows: days = input.ndjson
SELECT name, dt + INTERVAL 11 HOUR AS hours, dt - INTERVAL 1 MINUTE AS minute, dt - INTERVAL 1500 MILLISECOND AS second,
  dt + INTERVAL 30 MINUTE AS swapped, dt + INTERVAL 36 HOUR AS both,
  dt - INTERVAL 1 DAY - INTERVAL 2 HOUR - INTERVAL 3 MINUTE - INTERVAL 4500 MILLISECOND AS apart,
  dt + to_hours((7 * n)::BIGINT) AS times, dt - to_minutes((90 * n)::BIGINT) AS less, dt + INTERVAL 25 HOUR AS chained,
  dt + INTERVAL 24 HOUR AS whole, (dt + INTERVAL 1 DAY)::DATE AS day, (dt - INTERVAL 14 DAY)::DATE AS weeks,
  (dt + INTERVAL 1 MONTH)::DATE AS month, (dt - INTERVAL 1 YEAR)::DATE AS year, dt + n::INTEGER AS days,
  (dt + INTERVAL 13 MONTH)::DATE AS years, TIMESTAMP '1970-01-01 01:00:00' AS fixed, DATE '1969-12-30' AS fixed_day,
  dt + to_hours(n::BIGINT) AS add_hours, dt - INTERVAL 1 SECOND AS add_second, dt + n::INTEGER AS add_days,
  (dt + INTERVAL 7 DAY)::DATE AS add_week, (dt + INTERVAL 1 MONTH)::DATE AS add_month, (dt - INTERVAL 1 YEAR)::DATE AS add_year,
  ts BETWEEN dt AND dt + INTERVAL 12 HOUR AS morning, ts < dt + INTERVAL 12 HOUR AS before, ts = dt + INTERVAL 12 HOUR AS noon,
  ts IN (dt + INTERVAL 12 HOUR, dt + INTERVAL 1 DAY) AS listed, dt = (dt + INTERVAL 1 DAY - INTERVAL 1 DAY)::DATE AS same,
  dt < dt + INTERVAL 1 SECOND AS later, CASE WHEN n > 0 THEN dt + INTERVAL 1 HOUR ELSE dt END AS chosen,
  COALESCE(dt + INTERVAL 1 HOUR, ts) AS there, (dt + INTERVAL 36 HOUR)::DATE AS cut
FROM (SELECT name, dt::DATE AS dt, ts::TIMESTAMP AS ts, n FROM days)
