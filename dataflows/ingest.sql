-- Which pages are hot right now? Events pushed over HTTP or a WebSocket, a view that moves with them.
--
--     cargo run --release -- run dataflows/ingest.sql
--     curl -H 'content-type: application/json' http://127.0.0.1:8080/api/v1/sources/clicks/events \
--          -d '[{"page":"/","user_id":"ann","ts":"2026-01-01 12:00:01"},{"page":"/buy","user_id":"bob","ts":"2026-01-01 12:00:02"}]'
--     curl 'http://127.0.0.1:8080/api/v1/views/pages/rows'
--
-- The answer counts what was accepted and names what was not, row by row. Its token, handed to /api/v1/completion/TOKEN,
-- says when every view shows the rows. When the workers are behind and the queue is full, the answer is 429 and nothing of
-- the body was taken: send it again. A WebSocket (/api/v1/sources/clicks/ws) gets an answer per frame.

CREATE SOURCE clicks (
  user_id VARCHAR, page VARCHAR, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'http', 'format' = 'json', 'lateness' = '1 minute', 'idle-timeout' = '5 s');

CREATE MATERIALIZED VIEW pages AS
SELECT page, window_start, window_end, COUNT(*) AS views, COUNT(DISTINCT user_id) AS users
FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '10' SECOND))
GROUP BY page, window_start, window_end
EMIT CHANGES;

-- test: an open window moves with its rows, and a row that is too late is a dead letter
-- input clicks
--   {"page": "/", "user_id": "ann", "ts": "2026-01-01 12:00:01"}
--   {"page": "/buy", "user_id": "bob", "ts": "2026-01-01 12:00:02"}
--   {"page": "/", "user_id": "bob", "ts": "2026-01-01 12:00:03"}
-- expect pages
--   page | views | users
--   /    | 2     | 2
--   /buy | 1     | 1
-- input clicks
--   {"page": "/", "user_id": "ann", "ts": "2026-01-01 12:02:00"}
--   {"page": "/", "user_id": "ann", "ts": "2026-01-01 12:00:30"}
--   {"page": 7
-- expect dead letters clicks
--   reason
--   malformed
--   late
