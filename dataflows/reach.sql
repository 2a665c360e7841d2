-- What a failing service takes down: services call each other; of the calls of the last ten minutes, every minute, those
-- services that fail, and all that depend on them, however far away.
--
--     cargo run --release -- run dataflows/reach.sql --exit-at-end
--     cat out/affected.ndjson
--
-- The calls of a window are a graph of their own. WITH RECURSIVE walks it from each failing service to who calls it, to who
-- calls those, and so on, until no round finds anybody new. Calls go round in circles (pay and bank call each other): UNION
-- keeps a service once for each number of hops, and `hops < 8` ends the walk. Each step stays in its window
-- (l.window_end = h.window_end), so what a window held is freed when it is over.

CREATE SOURCE calls (
  caller VARCHAR, callee VARCHAR, ok BOOLEAN, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '10' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'dataflows/data/calls.ndjson', 'format' = 'json');

CREATE VIEW linked AS
SELECT window_start, window_end, caller, callee, COUNT(*) AS calls, COUNT(*) FILTER (WHERE NOT ok) AS failed
FROM TABLE(HOP(TABLE calls, DESCRIPTOR(ts), INTERVAL '1' MINUTE, INTERVAL '10' MINUTE))
GROUP BY window_start, window_end, caller, callee;

CREATE MATERIALIZED VIEW failing AS
SELECT window_start, window_end, callee AS service, SUM(calls) AS calls, SUM(failed) AS failed
FROM linked
GROUP BY window_start, window_end, callee
HAVING SUM(failed) * 4 > SUM(calls);

CREATE MATERIALIZED VIEW affected WITH ('alert' = 'high') AS
WITH RECURSIVE hit (window_start, window_end, cause, service, hops) AS (
  SELECT window_start, window_end, service AS cause, service, 0 FROM failing
  UNION
  SELECT h.window_start, h.window_end, h.cause, l.caller, h.hops + 1
  FROM hit h JOIN linked l
    ON l.callee = h.service AND l.window_start = h.window_start AND l.window_end = h.window_end
  WHERE h.hops < 8)
SELECT window_end, cause, service, MIN(hops) AS hops
FROM hit
GROUP BY window_start, window_end, cause, service;

CREATE SINK affected_out WITH ('connector' = 'filesystem', 'path' = 'out/affected.ndjson', 'format' = 'json') AS
SELECT * FROM affected;

-- test: who calls a failing service is affected, however far away, and circles end
-- input calls
--   caller | callee | ok    | ts
--   web    | shop   | true  | 2026-01-01 12:00:01
--   shop   | pay    | true  | 2026-01-01 12:00:02
--   pay    | bank   | false | 2026-01-01 12:00:03
--   bank   | pay    | true  | 2026-01-01 12:00:04
--   web    | news   | true  | 2026-01-01 12:00:05
-- watermark calls 12:01:01
-- expect failing
--   service | calls | failed
--   bank    | 1     | 1
-- expect affected
--   cause | service | hops
--   bank  | bank    | 0
--   bank  | pay     | 1
--   bank  | shop    | 2
--   bank  | web     | 3
