SELECT COUNT(*) AS events_seen, COUNT(*) FILTER (type = 'sensor') AS readings, COUNT(*) FILTER (type = 'user') AS steps,
  COUNT(*) FILTER (type = 'system') AS measures, MAX(ts) AS newest
FROM events
