-- accepted: events = events.ndjson, ts, 5000, 0
WITH RECURSIVE above (event, unit, steps) AS (
  SELECT id, unit, 0 FROM events WHERE unit IS NOT NULL
  UNION ALL
  SELECT a.event, u.parent, a.steps + 1 FROM above a JOIN read_csv('units.csv', columns={'id': 'VARCHAR', 'parent': 'VARCHAR'}) u ON u.id = a.unit WHERE u.parent IS NOT NULL)
SELECT unit, COUNT(*) AS events, COUNT(*) FILTER (WHERE steps = 0) AS own FROM above GROUP BY unit
