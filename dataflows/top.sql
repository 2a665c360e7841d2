-- Top products and top sources: the products seen most in each five minutes, the users with the most requests so far, and
-- the last request of each of them.
--
--     cargo run --release -- run dataflows/top.sql --exit-at-end
--     cat out/products.ndjson
--
-- products closes with its windows: RANK gives equals the same place, so a place may hold two. sources ranks counts that change with
-- every request: rows are taken back and inserted (`_op`), and at every epoch what stands is the top five of that moment.

CREATE SOURCE clicks (
  user_id VARCHAR, page VARCHAR, status INT, duration_ms DOUBLE, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'dataflows/data/clicks.ndjson', 'format' = 'json');

CREATE MATERIALIZED VIEW products AS
SELECT window_start, window_end, place, page, views
FROM (
  SELECT *, RANK() OVER (PARTITION BY window_start, window_end ORDER BY views DESC) AS place
  FROM (
    SELECT page, window_start, window_end, COUNT(*) AS views
    FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '5' MINUTE))
    WHERE page LIKE '/product/%'
    GROUP BY page, window_start, window_end
  )
)
WHERE place <= 2;

CREATE MATERIALIZED VIEW sources AS
SELECT user_id, requests
FROM (SELECT user_id, COUNT(*) AS requests FROM clicks GROUP BY user_id)
ORDER BY requests DESC, user_id LIMIT 5;

CREATE MATERIALIZED VIEW latest AS
SELECT user_id, page, status, ts FROM clicks
QUALIFY ROW_NUMBER() OVER (PARTITION BY user_id ORDER BY ts DESC) = 1;

CREATE SINK products_out WITH ('connector' = 'filesystem', 'path' = 'out/products.ndjson', 'format' = 'json') AS
SELECT * FROM products;

CREATE SINK sources_out WITH ('connector' = 'filesystem', 'path' = 'out/sources.ndjson', 'format' = 'json') AS
SELECT * FROM sources;

CREATE SINK latest_out WITH ('connector' = 'filesystem', 'path' = 'out/latest.ndjson', 'format' = 'json') AS
SELECT * FROM latest;

-- test: equals share a place, and who is overtaken leaves the five
-- input clicks
--   user_id | page       | status | ts
--   a       | /product/1 | 200    | 2026-01-01 12:00:01
--   b       | /product/1 | 200    | 2026-01-01 12:00:02
--   c       | /product/2 | 200    | 2026-01-01 12:00:03
--   d       | /product/3 | 404    | 2026-01-01 12:00:04
--   e       | /          | 200    | 2026-01-01 12:00:05
-- expect sources
--   user_id | requests
--   a       | 1
--   b       | 1
--   c       | 1
--   d       | 1
--   e       | 1
-- input clicks
--   user_id | page       | status | ts
--   f       | /          | 200    | 2026-01-01 12:00:06
--   f       | /product/3 | 200    | 2026-01-01 12:00:07
-- expect changes sources
--   _op    | user_id | requests
--   insert | a       | 1
--   insert | b       | 1
--   insert | c       | 1
--   insert | d       | 1
--   insert | f       | 2
-- watermark clicks 12:05:01
-- expect products
--   place | page       | views
--   1     | /product/1 | 2
--   1     | /product/3 | 2
-- expect latest
--   user_id | page       | status | ts
--   a       | /product/1 | 200    | 2026-01-01 12:00:01
--   b       | /product/1 | 200    | 2026-01-01 12:00:02
--   c       | /product/2 | 200    | 2026-01-01 12:00:03
--   d       | /product/3 | 404    | 2026-01-01 12:00:04
--   e       | /          | 200    | 2026-01-01 12:00:05
--   f       | /product/3 | 200    | 2026-01-01 12:00:07
