-- Spikes: a page that in half a minute is asked for more than one and a half times as often as in the five minutes before; and requests that
-- took three times as long as the last ten of the same page.
--
--     cargo run --release -- run dataflows/spikes.sql --exit-at-end
--     cat out/spikes.ndjson
--
-- A frame ends before the row that it is compared with (1 PRECEDING), or a spike would lift its own measure. Frames follow
-- event time: a row is compared once the watermark has passed it, with exactly the rows before it, in whatever order they came.

CREATE SOURCE clicks (
  user_id VARCHAR, page VARCHAR, status INT, duration_ms DOUBLE, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'dataflows/data/clicks.ndjson', 'format' = 'json');

CREATE MATERIALIZED VIEW spikes AS
SELECT page, window_end, requests, usual
FROM (
  SELECT page, window_end, requests,
    AVG(requests) OVER (PARTITION BY page ORDER BY window_time ROWS BETWEEN 10 PRECEDING AND 1 PRECEDING) AS usual
  FROM (
    SELECT page, window_start, window_end, window_time, COUNT(*) AS requests
    FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '30' SECOND))
    GROUP BY page, window_start, window_end, window_time
  )
)
WHERE requests > 1.5 * usual AND requests >= 5;

CREATE MATERIALIZED VIEW slow AS
SELECT user_id, page, ts, duration_ms, usual_ms, last_minute
FROM (
  SELECT user_id, page, ts, duration_ms,
    AVG(duration_ms) OVER (PARTITION BY page ORDER BY ts ROWS BETWEEN 10 PRECEDING AND 1 PRECEDING) AS usual_ms,
    COUNT(*) OVER (PARTITION BY page ORDER BY ts RANGE BETWEEN INTERVAL '1' MINUTE PRECEDING AND CURRENT ROW) AS last_minute
  FROM clicks
)
WHERE duration_ms > 3 * usual_ms;

CREATE SINK spikes_out WITH ('connector' = 'filesystem', 'path' = 'out/spikes.ndjson', 'format' = 'json') AS
SELECT * FROM spikes;

CREATE SINK slow_out WITH ('connector' = 'filesystem', 'path' = 'out/slow.ndjson', 'format' = 'json') AS
SELECT * FROM slow;

-- test: a request is slow beside those of its page before it
-- input clicks
--   user_id | page | duration_ms | ts
--   a       | /    | 10          | 2026-01-01 12:00:01
--   c       | /    | 100         | 2026-01-01 12:00:03
--   b       | /    | 20          | 2026-01-01 12:00:02
-- watermark clicks 12:01
-- expect slow
--   user_id | duration_ms | usual_ms | last_minute
--   c       | 100         | 15       | 3
--
-- test: a page spikes beside its windows before
-- input clicks
--   page | ts
--   /    | 2026-01-01 12:00:01
--   /    | 2026-01-01 12:00:02
--   /    | 2026-01-01 12:00:03
--   /    | 2026-01-01 12:00:31
--   /    | 2026-01-01 12:00:32
--   /    | 2026-01-01 12:00:33
--   /    | 2026-01-01 12:00:34
--   /    | 2026-01-01 12:00:35
--   /buy | 2026-01-01 12:00:35
-- end clicks
-- expect spikes
--   page | window_end          | requests | usual
--   /    | 2026-01-01 12:01:00 | 5        | 3
