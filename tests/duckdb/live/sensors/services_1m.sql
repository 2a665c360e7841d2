SELECT service, start AS window_start, start + INTERVAL 1 MINUTE AS window_end, COUNT(*) AS measures, FAVG(cpu) AS cpu,
  MAX(memory) AS memory_peak, COUNT(*) FILTER (level = 'ERROR') AS errors
FROM (SELECT *, unnest(generate_series(time_bucket(INTERVAL 5 SECOND, ts) - INTERVAL 55 SECOND, time_bucket(INTERVAL 5 SECOND, ts), INTERVAL 5 SECOND)) AS start
      FROM events WHERE type = 'system')
GROUP BY service, start
