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
