-- accepted: edges = edges.ndjson, ts, 5000, 0
WITH RECURSIVE walk (src, dst, hops) AS (
  SELECT src, dst, 1 FROM edges
  UNION
  SELECT w.src, e.dst, w.hops + 1 FROM walk w JOIN edges e ON e.src = w.dst WHERE w.hops < 6)
SELECT src, dst, MIN(hops) AS hops FROM walk GROUP BY src, dst
