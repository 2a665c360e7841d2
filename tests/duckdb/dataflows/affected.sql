-- accepted: calls = dataflows/data/calls.ndjson, ts, 10000, 0
WITH RECURSIVE linked AS (
  SELECT s AS window_start, s + INTERVAL 10 MINUTE AS window_end, caller, callee, COUNT(*) AS calls,
         COUNT(*) FILTER (WHERE NOT ok) AS failed
  FROM (SELECT *, UNNEST([time_bucket(INTERVAL 1 MINUTE, ts) - n * INTERVAL 1 MINUTE FOR n IN range(10)]) AS s FROM calls)
  GROUP BY ALL),
failing AS (
  SELECT window_start, window_end, callee AS service FROM linked
  GROUP BY ALL HAVING SUM(failed) * 4 > SUM(calls)),
hit (window_start, window_end, cause, service, hops) AS (
  SELECT window_start, window_end, service, service, 0 FROM failing
  UNION
  SELECT h.window_start, h.window_end, h.cause, l.caller, h.hops + 1
  FROM hit h JOIN linked l
    ON l.callee = h.service AND l.window_start = h.window_start AND l.window_end = h.window_end
  WHERE h.hops < 8)
SELECT window_end, cause, service, MIN(hops) AS hops FROM hit GROUP BY window_start, window_end, cause, service
