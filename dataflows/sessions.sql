-- Visits: rows of one user that are no more than 20 min apart belong together, however many there are.
--
--     cargo run --release -- run dataflows/sessions.sql --exit-at-end
--     head -3 out/visits.ndjson
--
-- Nobody says when a visit ends: it has ended when the watermark is 20 min past its last row. Rows come up to 2 min out of
-- order, so a row may open a visit, extend one, or join two that seemed apart. `visits` shows the result once it is sure, with a
-- score of how engaged the user was: what was done, weighed by how much it means. `watch` shows every step on the way (open
-- `http://127.0.0.1:8080` without --exit-at-end).

CREATE SOURCE steps (
  user_id VARCHAR, action VARCHAR, amount DOUBLE, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '2' MINUTE
) WITH ('connector' = 'filesystem', 'path' = 'dataflows/data/steps.ndjson', 'format' = 'json');

CREATE MATERIALIZED VIEW visits AS
SELECT user_id, window_start AS began, window_end AS ended, window_time,
  COUNT(*) AS steps, FIRST_VALUE(action) AS first_action, LAST_VALUE(action) AS last_action,
  STRING_AGG(action, ' > ') AS path, SUM(amount) AS spent,
  SUM(CASE action WHEN 'view' THEN 1 WHEN 'search' THEN 2 WHEN 'add' THEN 5 WHEN 'buy' THEN 20 ELSE 0 END) AS engagement
FROM TABLE(SESSION(TABLE steps PARTITION BY user_id, DESCRIPTOR(ts), INTERVAL '20' MINUTE))
GROUP BY user_id, window_start, window_end, window_time;

CREATE MATERIALIZED VIEW watch AS
SELECT user_id, window_start AS began, COUNT(*) AS steps, SUM(amount) AS spent
FROM TABLE(SESSION(TABLE steps PARTITION BY user_id, DESCRIPTOR(ts), INTERVAL '20' MINUTE))
GROUP BY user_id, window_start, window_end
EMIT CHANGES;

-- A window over the sessions: what was bought, by the hour in which the visit ended. window_time, the last millisecond of
-- a session, is an event time like ts.
CREATE MATERIALIZED VIEW hourly AS
SELECT window_start, window_end, COUNT(*) AS visits, COUNT(*) FILTER (WHERE spent > 0) AS buyers, SUM(spent) AS revenue
FROM TABLE(TUMBLE(TABLE visits, DESCRIPTOR(window_time), INTERVAL '1' HOUR))
GROUP BY window_start, window_end;

CREATE SINK visits_out WITH ('connector' = 'filesystem', 'path' = 'out/visits.ndjson', 'format' = 'json') AS
SELECT user_id, began, ended, steps, first_action, last_action, path, spent, engagement FROM visits;

CREATE SINK hourly_out WITH ('connector' = 'filesystem', 'path' = 'out/hourly.ndjson', 'format' = 'json') AS
SELECT * FROM hourly;

-- test: a row that joins two visits makes them one
-- input steps
--   user_id | action | amount | ts
--   ann     | view   | 0      | 2026-01-01 12:00:00
--   ann     | buy    | 30     | 2026-01-01 12:30:00
--   bob     | view   | 0      | 2026-01-01 12:30:00
-- expect watch
--   user_id | began               | steps | spent
--   ann     | 2026-01-01 12:00:00 | 1     | 0
--   ann     | 2026-01-01 12:30:00 | 1     | 30
--   bob     | 2026-01-01 12:30:00 | 1     | 0
-- test: a visit ends 20 min behind its last row, and 2 min for those that come late
-- input steps
--   user_id | action | amount | ts
--   ann     | search | 0      | 2026-01-01 12:01:00
--   ann     | view   | 0      | 2026-01-01 12:00:00
--   ann     | buy    | 30     | 2026-01-01 12:19:00
-- watermark steps 12:38:59
-- expect visits
-- watermark steps 12:39
-- expect visits
--   user_id | began               | ended               | steps | path                | spent | engagement
--   ann     | 2026-01-01 12:00:00 | 2026-01-01 12:39:00 | 3     | view > search > buy | 30    | 23
-- watermark steps 13:00:01
-- expect hourly
--   window_end          | visits | buyers | revenue
--   2026-01-01 13:00:00 | 1      | 1      | 30
