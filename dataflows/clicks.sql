-- How fast are our pages? NDJSON in, one row per page and minute out.
--
--     cargo run --release -- run dataflows/clicks.sql --exit-at-end
--     head -3 out/pages.ndjson
--
-- The input is half an hour of a web shop's log: 1100 requests, out of order by up to 5 s because several machines wrote
-- it. The watermark allows for that. Percentiles are exact, between the two nearest values (PERCENTILE), or from a sketch
-- (APPROX_PERCENTILE): the value at that rank within 1 %, from a few hundred counters whatever the traffic.

CREATE SOURCE clicks (
  user_id VARCHAR, page VARCHAR, status INT, duration_ms DOUBLE, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'dataflows/data/clicks.ndjson', 'format' = 'json');

CREATE MATERIALIZED VIEW pages AS
SELECT page, window_start, window_end,
  COUNT(*) AS views, COUNT(DISTINCT user_id) AS users,
  AVG(duration_ms) AS mean_ms, PERCENTILE(duration_ms, 0.5) AS median_ms, PERCENTILE(duration_ms, 0.95) AS p95_ms,
  APPROX_PERCENTILE(duration_ms, 0.95) AS p95_ms_approx,
  COUNT(*) FILTER (WHERE status >= 500) AS failures
FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
GROUP BY page, window_start, window_end;

CREATE SINK pages_out WITH ('connector' = 'filesystem', 'path' = 'out/pages.ndjson', 'format' = 'json') AS
SELECT * FROM pages;

-- The slow ones by themselves, as CSV.
CREATE SINK slow_out WITH ('connector' = 'filesystem', 'path' = 'out/slow.csv', 'format' = 'csv') AS
SELECT page, window_end, views, p95_ms FROM pages WHERE p95_ms > 800 AND views >= 5;

-- test: a page has a row a minute, 5 s behind its end
-- input clicks
--   user_id | page  | status | duration_ms | ts
--   ann     | /     | 200    | 20          | 2026-01-01 12:00:01
--   bob     | /     | 500    | 40          | 2026-01-01 12:00:59
--   ann     | /     | 200    | 30          | 2026-01-01 12:00:58
--   ann     | /cart | 200    | 10          | 2026-01-01 12:01:04
-- expect pages
-- input clicks
--   user_id | page  | status | duration_ms | ts
--   bob     | /     | 200    | 20          | 2026-01-01 12:01:05
-- expect pages
--   page | window_end          | views | users | mean_ms | median_ms | failures
--   /    | 2026-01-01 12:01:00 | 3     | 2     | 30      | 30        | 1
--
-- test: what is slow is told by itself, from five views on
-- input clicks
--   page | duration_ms | ts
--   /    | 900         | 2026-01-01 12:00:01
--   /    | 900         | 2026-01-01 12:00:02
--   /    | 900         | 2026-01-01 12:00:03
--   /    | 900         | 2026-01-01 12:00:04
--   /buy | 900         | 2026-01-01 12:00:04
--   /    | 900         | 2026-01-01 12:00:05
-- end clicks
-- expect slow_out
--   page | views | p95_ms
--   /    | 5     | 900
