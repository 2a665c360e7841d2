-- Two signs of a stolen account: more than 50 events in a minute, more than 5 distinct places within an hour.
--
--     cargo run --release -- run dataflows/fraud.sql        then open http://127.0.0.1:8080
--
-- How many are too many stands in the table `rules`, which is changed while this runs; what is counted from then on is
-- judged by the new number:
--
--     curl -X POST http://127.0.0.1:8080/api/rules -d '{"name":"events a minute","most":60}'
--     curl http://127.0.0.1:8080/api/v1/tables/rules/rows
--     curl -N http://127.0.0.1:8080/api/v1/views/too_many_events/stream
--
-- The generator makes about 43 events a minute for each of 700 users; one in two hundred comes from elsewhere.

CREATE SOURCE events (
  user_id BIGINT, roll BIGINT, elsewhere BIGINT, amount DOUBLE, ts TIMESTAMP(3),
  place AS CASE WHEN roll = 0 THEN elsewhere ELSE user_id % 40 END,
  WATERMARK FOR ts AS ts - INTERVAL '1' SECOND
) WITH (
  'connector' = 'datagen', 'rows-per-second' = '500', 'idle-timeout' = '5 s',
  'fields.user_id.min' = '1', 'fields.user_id.max' = '700', 'fields.roll.min' = '0', 'fields.roll.max' = '200',
  'fields.elsewhere.min' = '0', 'fields.elsewhere.max' = '40', 'fields.amount.min' = '1', 'fields.amount.max' = '900'
);

CREATE TABLE rules (name VARCHAR PRIMARY KEY, most BIGINT NOT NULL)
WITH ('path' = 'dataflows/data/rules.csv', 'format' = 'csv');

CREATE VIEW minutes AS
SELECT user_id, window_start, window_end, window_time, COUNT(*) AS events_seen, SUM(amount) AS amount
FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
GROUP BY user_id, window_start, window_end, window_time;

-- Each minute looks back over an hour.
CREATE VIEW hours AS
SELECT user_id, window_start, window_end, window_time, COUNT(DISTINCT place) AS places
FROM TABLE(HOP(TABLE events, DESCRIPTOR(ts), INTERVAL '1' MINUTE, INTERVAL '1' HOUR))
GROUP BY user_id, window_start, window_end, window_time;

CREATE MATERIALIZED VIEW too_many_events WITH ('alert' = 'high') AS
SELECT m.user_id, m.window_end, m.events_seen, m.amount, r.most
FROM minutes AS m JOIN rules FOR SYSTEM_TIME AS OF m.window_time AS r
  ON r.name = 'events a minute' AND m.events_seen > r.most;

CREATE MATERIALIZED VIEW too_many_places WITH ('alert' = 'high') AS
SELECT h.user_id, h.window_end, h.places, r.most
FROM hours AS h JOIN rules FOR SYSTEM_TIME AS OF h.window_time AS r
  ON r.name = 'places an hour' AND h.places > r.most;

-- test: what is counted is judged by the rule that stands then
-- upsert rules
--   name            | most
--   events a minute | 2
--   places an hour  | 1
-- input events
--   user_id | roll | elsewhere | amount | ts
--   41      | 1    | 7         | 10     | 2026-01-01 12:00:01
--   41      | 0    | 7         | 20     | 2026-01-01 12:00:02
--   41      | 1    | 7         | 30     | 2026-01-01 12:00:03
--   42      | 1    | 7         | 10     | 2026-01-01 12:00:04
-- # Two of the places are the first user's own, 41 % 40, and the one elsewhere.
-- watermark events 12:01:00
-- expect too_many_events
--   user_id | window_end          | events_seen | amount | most
--   41      | 2026-01-01 12:01:00 | 3           | 60     | 2
-- expect too_many_places
--   user_id | window_end          | places | most
--   41      | 2026-01-01 12:01:00 | 2      | 1
-- upsert rules
--   name            | most
--   events a minute | 5
-- input events
--   user_id | roll | elsewhere | amount | ts
--   42      | 1    | 7         | 10     | 2026-01-01 12:01:01
--   42      | 1    | 7         | 10     | 2026-01-01 12:01:02
--   42      | 1    | 7         | 10     | 2026-01-01 12:01:03
-- watermark events 12:02:00
-- expect changes too_many_events
--   _op    | user_id
--   insert | 41
