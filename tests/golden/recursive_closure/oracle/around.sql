-- accepted: edges = edges.ndjson, ts, 5000, 0
WITH RECURSIVE reach (dst) AS (
  SELECT dst FROM edges WHERE src = 'a'
  UNION
  SELECT e.dst FROM reach r JOIN edges e ON e.src = r.dst
  WHERE NOT EXISTS (SELECT 1 FROM edges b WHERE b.src = e.dst AND b.qty = 3))
SELECT dst FROM reach
