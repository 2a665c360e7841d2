SELECT location, kind, time_bucket(INTERVAL 10 SECOND, ts) AS window_start, window_start + INTERVAL 10 SECOND AS window_end,
  COUNT(*) AS readings, FAVG(value) AS mean, MIN(value) AS low, MAX(value) AS high
FROM events WHERE type = 'sensor' GROUP BY ALL
