-- accepted: edges = edges.ndjson, ts, 5000, 0
WITH RECURSIVE need (part, qty) AS (
  SELECT dst, qty FROM edges WHERE src = 'a' AND dst > 'a'
  UNION ALL
  SELECT e.dst, n.qty * e.qty FROM need n JOIN edges e ON e.src = n.part AND e.dst > e.src)
SELECT part, SUM(qty) AS qty, COUNT(*) AS ways FROM need GROUP BY part
