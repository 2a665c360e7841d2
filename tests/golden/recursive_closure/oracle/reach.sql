-- accepted: edges = edges.ndjson, ts, 5000, 0
WITH RECURSIVE reach (src, dst) AS (
  SELECT src, dst FROM edges
  UNION
  SELECT r.src, e.dst FROM reach r JOIN edges e ON e.src = r.dst)
SELECT src, dst FROM reach
