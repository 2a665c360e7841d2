-- accepted: meters = dataflows/data/meters.ndjson, ts, 3000, 60000
SELECT meter, time_bucket(INTERVAL 20 SECOND, ts) AS window_start, window_start + INTERVAL 20 SECOND AS window_end,
  COUNT(*) AS readings, SUM(kwh) AS kwh
FROM meters GROUP BY meter, window_start
