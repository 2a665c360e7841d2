-- accepted: edges = edges.ndjson, ts, 5000, 0
WITH RECURSIVE walk AS (
  SELECT src, dst, 1 AS hops FROM edges
  UNION ALL
  SELECT w.src, e.dst, w.hops + 1 AS hops FROM walk w, edges e WHERE e.src = w.dst AND w.hops < 4)
SELECT src, dst, hops, COUNT(*) AS ways FROM walk GROUP BY src, dst, hops
