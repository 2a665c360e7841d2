-- accepted: edges = edges.ndjson, ts, 5000, 0
WITH RECURSIVE both_ways (node, hops) AS (
  SELECT dst, 1 FROM edges WHERE src = 'b'
  UNION ALL
  (SELECT e.dst, w.hops + 1 FROM both_ways w JOIN edges e ON e.src = w.node WHERE w.hops < 3
   UNION ALL
   SELECT e.src, w.hops + 10 FROM both_ways w JOIN edges e ON e.dst = w.node AND e.qty > w.hops WHERE w.hops < 3))
SELECT node, hops, COUNT(*) AS ways FROM both_ways GROUP BY node, hops
