-- Which pages are trending: more than 100 views in an hour that slides by five minutes, and by how many different users.
--
--     cargo run --release -- run dataflows/trending.sql --exit-at-end
--     cat out/trending.ndjson
--
-- A row is counted once per slide and the slides are put together, so a longer hour costs no more (HOP). The top three of
-- each hour are ranked when it closes; what the ranking held is freed then.

CREATE SOURCE clicks (
  user_id VARCHAR, page VARCHAR, status INT, duration_ms DOUBLE, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'dataflows/data/clicks.ndjson', 'format' = 'json');

CREATE MATERIALIZED VIEW trending AS
SELECT page, window_start, window_end, COUNT(*) AS views, COUNT(DISTINCT user_id) AS users
FROM TABLE(HOP(TABLE clicks, DESCRIPTOR(ts), INTERVAL '5' MINUTE, INTERVAL '1' HOUR))
GROUP BY page, window_start, window_end
HAVING COUNT(*) > 100;

CREATE MATERIALIZED VIEW leaders AS
SELECT window_end, place, page, views, users
FROM (
  SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start, window_end ORDER BY views DESC, page) AS place
  FROM trending
)
WHERE place <= 3;

CREATE SINK trending_out WITH ('connector' = 'filesystem', 'path' = 'out/trending.ndjson', 'format' = 'json') AS
SELECT * FROM trending;

CREATE SINK leaders_out WITH ('connector' = 'filesystem', 'path' = 'out/leaders.ndjson', 'format' = 'json') AS
SELECT * FROM leaders;

-- test: the leaders of the log that stands beside it
-- read clicks
-- expect leaders
--   window_end          | place | page        | views | users
--   2026-02-02 02:10:00 | 1     | /           | 112   | 15
--   2026-02-02 02:15:00 | 1     | /           | 164   | 17
--   2026-02-02 02:20:00 | 1     | /           | 215   | 18
--   2026-02-02 02:25:00 | 1     | /           | 269   | 18
--   2026-02-02 02:30:00 | 1     | /           | 319   | 20
--   2026-02-02 02:35:00 | 1     | /           | 319   | 20
--   2026-02-02 02:40:00 | 1     | /           | 319   | 20
--   2026-02-02 02:45:00 | 1     | /           | 319   | 20
--   2026-02-02 02:50:00 | 1     | /           | 319   | 20
--   2026-02-02 02:55:00 | 1     | /           | 319   | 20
--   2026-02-02 03:00:00 | 1     | /           | 317   | 20
--   2026-02-02 03:05:00 | 1     | /           | 258   | 19
--   2026-02-02 03:10:00 | 1     | /           | 207   | 17
--   2026-02-02 03:15:00 | 1     | /           | 155   | 14
--   2026-02-02 03:20:00 | 1     | /           | 104   | 13
--   2026-02-02 03:05:00 | 3     | /product/42 | 116   | 14
--   2026-02-02 02:15:00 | 2     | /products   | 134   | 16
--   2026-02-02 02:20:00 | 2     | /products   | 178   | 18
--   2026-02-02 02:25:00 | 2     | /products   | 218   | 21
--   2026-02-02 02:30:00 | 2     | /products   | 260   | 21
--   2026-02-02 02:35:00 | 2     | /products   | 260   | 21
--   2026-02-02 02:40:00 | 2     | /products   | 260   | 21
--   2026-02-02 02:45:00 | 2     | /products   | 260   | 21
--   2026-02-02 02:50:00 | 2     | /products   | 260   | 21
--   2026-02-02 02:55:00 | 2     | /products   | 260   | 21
--   2026-02-02 03:00:00 | 2     | /products   | 260   | 21
--   2026-02-02 03:05:00 | 2     | /products   | 223   | 19
--   2026-02-02 03:10:00 | 2     | /products   | 171   | 15
--   2026-02-02 03:15:00 | 2     | /products   | 126   | 14
--   2026-02-02 02:25:00 | 3     | /search     | 118   | 15
--   2026-02-02 02:30:00 | 3     | /search     | 139   | 17
--   2026-02-02 02:35:00 | 3     | /search     | 139   | 17
--   2026-02-02 02:40:00 | 3     | /search     | 139   | 17
--   2026-02-02 02:45:00 | 3     | /search     | 139   | 17
--   2026-02-02 02:50:00 | 3     | /search     | 139   | 17
--   2026-02-02 02:55:00 | 3     | /search     | 139   | 17
--   2026-02-02 03:00:00 | 3     | /search     | 139   | 17
