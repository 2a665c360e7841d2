-- WITH RECURSIVE over a relation that grows: closures, shortest ways, ways counted, parts of parts, all over edges with
-- circles, duplicates and NULLs. UNION ends on circles by itself; UNION ALL needs a bound.
CREATE SOURCE edges (
  src VARCHAR, dst VARCHAR, qty BIGINT, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'edges.ndjson', 'format' = 'json');

CREATE SINK reach WITH ('connector' = 'filesystem', 'path' = 'out/reach.ndjson', 'format' = 'json') AS
WITH RECURSIVE reach (src, dst) AS (
  SELECT src, dst FROM edges
  UNION
  SELECT r.src, e.dst FROM reach r JOIN edges e ON e.src = r.dst)
SELECT src, dst FROM reach;

CREATE SINK hops WITH ('connector' = 'filesystem', 'path' = 'out/hops.ndjson', 'format' = 'json') AS
WITH RECURSIVE walk (src, dst, hops) AS (
  SELECT src, dst, 1 FROM edges
  UNION
  SELECT w.src, e.dst, w.hops + 1 FROM walk w JOIN edges e ON e.src = w.dst WHERE w.hops < 6)
SELECT src, dst, MIN(hops) AS hops FROM walk GROUP BY src, dst;

CREATE SINK ways WITH ('connector' = 'filesystem', 'path' = 'out/ways.ndjson', 'format' = 'json') AS
WITH RECURSIVE walk AS (
  SELECT src, dst, 1 AS hops FROM edges
  UNION ALL
  SELECT w.src, e.dst, w.hops + 1 AS hops FROM walk w, edges e WHERE e.src = w.dst AND w.hops < 4)
SELECT src, dst, hops, COUNT(*) AS ways FROM walk GROUP BY src, dst, hops;

CREATE SINK parts WITH ('connector' = 'filesystem', 'path' = 'out/parts.ndjson', 'format' = 'json') AS
WITH RECURSIVE need (part, qty) AS (
  SELECT dst, qty FROM edges WHERE src = 'a' AND dst > 'a'
  UNION ALL
  SELECT e.dst, n.qty * e.qty FROM need n JOIN edges e ON e.src = n.part AND e.dst > e.src)
SELECT part, SUM(qty) AS qty, COUNT(*) AS ways FROM need GROUP BY part;

CREATE SINK circles WITH ('connector' = 'filesystem', 'path' = 'out/circles.ndjson', 'format' = 'json') AS
WITH RECURSIVE reach (src, dst) AS (
  SELECT src, dst FROM edges
  UNION
  SELECT r.src, e.dst FROM reach r JOIN edges e ON e.src = r.dst)
SELECT a.src, a.dst FROM reach a JOIN reach b ON b.src = a.dst AND b.dst = a.src WHERE a.src <= a.dst;

CREATE SINK around WITH ('connector' = 'filesystem', 'path' = 'out/around.ndjson', 'format' = 'json') AS
WITH RECURSIVE reach (dst) AS (
  SELECT dst FROM edges WHERE src = 'a'
  UNION
  SELECT e.dst FROM reach r JOIN edges e ON e.src = r.dst
  WHERE NOT EXISTS (SELECT 1 FROM edges b WHERE b.src = e.dst AND b.qty = 3))
SELECT dst FROM reach;

CREATE SINK ends WITH ('connector' = 'filesystem', 'path' = 'out/ends.ndjson', 'format' = 'json') AS
WITH RECURSIVE walk (node, hops, last) AS (
  SELECT dst, 1, FALSE FROM edges WHERE src = 'a'
  UNION
  SELECT e.dst, w.hops + 1, e.src IS NULL FROM walk w LEFT JOIN edges e ON e.src = w.node WHERE w.hops < 4)
SELECT node, hops, last FROM walk;

CREATE SINK branches WITH ('connector' = 'filesystem', 'path' = 'out/branches.ndjson', 'format' = 'json') AS
WITH RECURSIVE both_ways (node, hops) AS (
  SELECT dst, 1 FROM edges WHERE src = 'b'
  UNION ALL
  (SELECT e.dst, w.hops + 1 FROM both_ways w JOIN edges e ON e.src = w.node WHERE w.hops < 3
   UNION ALL
   SELECT e.src, w.hops + 10 FROM both_ways w JOIN edges e ON e.dst = w.node AND e.qty > w.hops WHERE w.hops < 3))
SELECT node, hops, COUNT(*) AS ways FROM both_ways GROUP BY node, hops;
