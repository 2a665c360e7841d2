-- accepted: edges = edges.ndjson, ts, 5000, 0
WITH RECURSIVE walk (node, hops, last) AS (
  SELECT dst, 1, FALSE FROM edges WHERE src = 'a'
  UNION
  SELECT e.dst, w.hops + 1, e.src IS NULL FROM walk w LEFT JOIN edges e ON e.src = w.node WHERE w.hops < 4)
SELECT node, hops, last FROM walk
