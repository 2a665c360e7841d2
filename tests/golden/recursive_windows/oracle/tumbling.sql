-- accepted: edges = edges.ndjson, ts, 5000, 20000
WITH RECURSIVE linked AS (
  SELECT DISTINCT s AS window_start, s + INTERVAL 10 SECOND AS window_end, src, dst
  FROM (SELECT *, UNNEST([time_bucket(INTERVAL 10 SECOND, ts)]) AS s FROM edges)),
reach (window_start, window_end, src, dst) AS (
  SELECT window_start, window_end, src, dst FROM linked
  UNION
  SELECT r.window_start, r.window_end, r.src, l.dst FROM reach r
  JOIN linked l ON l.src = r.dst AND l.window_start = r.window_start AND l.window_end = r.window_end)
SELECT window_end, src, dst FROM reach
