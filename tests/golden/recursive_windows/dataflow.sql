-- WITH RECURSIVE within windows: every window is a graph of its own, freed when it is over, amended by late rows.
CREATE SOURCE edges (
  src VARCHAR, dst VARCHAR, qty BIGINT, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'edges.ndjson', 'format' = 'json', 'lateness' = '20 s');

CREATE SINK tumbling WITH ('connector' = 'filesystem', 'path' = 'out/tumbling.ndjson', 'format' = 'json') AS
WITH RECURSIVE linked AS (
  SELECT window_start, window_end, src, dst FROM TABLE(TUMBLE(TABLE edges, DESCRIPTOR(ts), INTERVAL '10' SECOND))
  GROUP BY window_start, window_end, src, dst),
reach (window_start, window_end, src, dst) AS (
  SELECT window_start, window_end, src, dst FROM linked
  UNION
  SELECT r.window_start, r.window_end, r.src, l.dst FROM reach r
  JOIN linked l ON l.src = r.dst AND l.window_start = r.window_start AND l.window_end = r.window_end)
SELECT window_end, src, dst FROM reach;

CREATE SINK sliding WITH ('connector' = 'filesystem', 'path' = 'out/sliding.ndjson', 'format' = 'json') AS
WITH RECURSIVE linked AS (
  SELECT window_start, window_end, src, dst FROM TABLE(HOP(TABLE edges, DESCRIPTOR(ts), INTERVAL '5' SECOND, INTERVAL '10' SECOND))
  GROUP BY window_start, window_end, src, dst),
reach (window_start, window_end, src, dst) AS (
  SELECT window_start, window_end, src, dst FROM linked
  UNION
  SELECT r.window_start, r.window_end, r.src, l.dst FROM reach r
  JOIN linked l ON l.src = r.dst AND l.window_start = r.window_start AND l.window_end = r.window_end)
SELECT window_end, src, dst FROM reach;

CREATE SINK sliding_changes WITH ('connector' = 'filesystem', 'path' = 'out/sliding_changes.ndjson', 'format' = 'json') AS
WITH RECURSIVE linked AS (
  SELECT window_start, window_end, src, dst FROM TABLE(HOP(TABLE edges, DESCRIPTOR(ts), INTERVAL '5' SECOND, INTERVAL '10' SECOND))
  GROUP BY window_start, window_end, src, dst),
reach (window_start, window_end, src, dst) AS (
  SELECT window_start, window_end, src, dst FROM linked
  UNION
  SELECT r.window_start, r.window_end, r.src, l.dst FROM reach r
  JOIN linked l ON l.src = r.dst AND l.window_start = r.window_start AND l.window_end = r.window_end)
SELECT window_end, src, dst FROM reach EMIT CHANGES;

CREATE SINK counted WITH ('connector' = 'filesystem', 'path' = 'out/counted.ndjson', 'format' = 'json') AS
WITH RECURSIVE linked AS (
  SELECT window_start, window_end, src, dst FROM TABLE(HOP(TABLE edges, DESCRIPTOR(ts), INTERVAL '5' SECOND, INTERVAL '10' SECOND))
  GROUP BY window_start, window_end, src, dst),
reach (window_start, window_end, src, dst) AS (
  SELECT window_start, window_end, src, dst FROM linked
  UNION
  SELECT r.window_start, r.window_end, r.src, l.dst FROM reach r
  JOIN linked l ON l.src = r.dst AND l.window_start = r.window_start AND l.window_end = r.window_end)
SELECT window_start, window_end, COUNT(*) AS pairs, COUNT(DISTINCT src) AS sources FROM reach GROUP BY window_start, window_end;
