SELECT r.location, time_bucket(INTERVAL 10 SECOND, r.ts) AS window_start, window_start + INTERVAL 10 SECOND AS window_end,
  COUNT(*) AS readings, COUNT(*) FILTER (r.value < t.low OR r.value > t.high) AS anomalies
FROM readings r JOIN read_csv('dataflows/data/thresholds.csv') t ON r.kind = t.kind GROUP BY ALL
