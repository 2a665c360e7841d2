-- A factory, a shop and a data centre in one stream, live.
--
--     cargo run --release -- run dataflows/sensors.sql        then open http://127.0.0.1:8080
--
-- `datagen` makes sensor readings, steps of users and measures of hosts, 2000 a second, some up to 2 s out of order and
-- one in a thousand later than that. Everything below runs on event time: a window closes when the watermark (2 s behind
-- the newest row) has passed its end, and a row up to 10 s late still amends it. Later ones are dead letters:
--
--     curl -s 'http://127.0.0.1:8080/api/v1/sources/events/dead-letters?limit=3'
--     curl -N 'http://127.0.0.1:8080/api/v1/views/sensors_10s/stream'

CREATE SOURCE events (
  type VARCHAR,
  sensor_id VARCHAR, kind VARCHAR, location VARCHAR, `value` DOUBLE,
  user_id VARCHAR, session_id VARCHAR, action VARCHAR, page VARCHAR, duration_ms BIGINT,
  host VARCHAR, service VARCHAR, level VARCHAR, cpu DOUBLE, memory DOUBLE, latency_ms DOUBLE,
  ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '2' SECOND
) WITH (
  'connector' = 'datagen', 'kind' = 'mixed', 'rows-per-second' = '2000', 'keys' = '2000',
  'disorder' = '2 s', 'late-rate' = '0.001', 'lateness' = '10 s', 'idle-timeout' = '5 s'
);

-- Tumbling: what each kind of sensor read in the last 10 s, by site. Open windows are shown as they fill.
CREATE MATERIALIZED VIEW sensors_10s AS
SELECT location, kind, window_start, window_end,
  COUNT(*) AS readings, AVG(`value`) AS mean, MIN(`value`) AS low, MAX(`value`) AS high, STDDEV(`value`) AS spread
FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(ts), INTERVAL '10' SECOND))
WHERE type = 'sensor'
GROUP BY location, kind, window_start, window_end
EMIT CHANGES;

-- Sliding: the load of each service over the last minute, anew every 5 s. A row appears when its window closes.
CREATE MATERIALIZED VIEW services_1m AS
SELECT service, window_start, window_end,
  COUNT(*) AS measures, AVG(cpu) AS cpu, MAX(memory) AS memory_peak,
  APPROX_PERCENTILE(latency_ms, 0.5) AS p50_ms, APPROX_PERCENTILE(latency_ms, 0.99) AS p99_ms,
  COUNT(*) FILTER (WHERE level = 'ERROR') AS errors
FROM TABLE(HOP(TABLE events, DESCRIPTOR(ts), INTERVAL '5' SECOND, INTERVAL '1' MINUTE))
WHERE type = 'system'
GROUP BY service, window_start, window_end;

-- Sessions: what each user did until 3 s without a step. They grow, and merge when a late step bridges two.
CREATE VIEW steps AS
SELECT user_id, action, page, duration_ms, ts FROM events WHERE type = 'user';

CREATE MATERIALIZED VIEW visits AS
SELECT user_id, window_start, window_end,
  COUNT(*) AS steps, COUNT(DISTINCT page) AS pages, LAST_VALUE(page) AS last_page,
  BOOL_OR(action = 'purchase') AS bought, SUM(duration_ms) / 1000.0 AS seconds
FROM TABLE(SESSION(TABLE steps PARTITION BY user_id, DESCRIPTOR(ts), INTERVAL '3' SECOND))
GROUP BY user_id, window_start, window_end
EMIT CHANGES;

-- A view over a view: the sites where a thermometer read more than 60 degrees, as soon as a window of sensors_10s shows it.
-- The dashboard lists its rows as alerts.
CREATE MATERIALIZED VIEW too_hot WITH ('alert' = 'high') AS
SELECT location, window_end, mean, high
FROM sensors_10s
WHERE kind = 'temperature' AND high > 60;

-- Without a window: totals since the start. One row, so little state; by a key it would grow with the keys, for ever.
CREATE MATERIALIZED VIEW totals AS
SELECT COUNT(*) AS events_seen,
  COUNT(*) FILTER (WHERE type = 'sensor') AS readings,
  COUNT(*) FILTER (WHERE type = 'user') AS steps,
  COUNT(*) FILTER (WHERE type = 'system') AS measures,
  MAX(ts) AS newest
FROM events;

-- test: windows, sessions and alerts, each of its own kind of row
-- input events
--   type   | location | kind        | value | ts
--   sensor | north    | temperature | 50    | 2026-01-01 12:00:01
--   sensor | north    | temperature | 70    | 2026-01-01 12:00:02
--   sensor | south    | humidity    | 90    | 2026-01-01 12:00:02
-- input events
--   type   | service | cpu | memory | level | ts
--   system | web     | 0.5 | 0.25   | ERROR | 2026-01-01 12:00:03
--   system | web     | 1   | 0.5    | INFO  | 2026-01-01 12:00:04
-- input events
--   type | user_id | action   | page  | duration_ms | ts
--   user | ann     | view     | /     | 1500        | 2026-01-01 12:00:01
--   user | ann     | purchase | /cart | 500         | 2026-01-01 12:00:03
--   user | bob     | view     | /     | 100         | 2026-01-01 12:00:03
-- expect sensors_10s
--   location | kind        | readings | mean | low | high
--   north    | temperature | 2        | 60   | 50  | 70
--   south    | humidity    | 1        | 90   | 90  | 90
-- expect too_hot
--   location | mean | high
--   north    | 60   | 70
-- expect visits
--   user_id | steps | pages | last_page | bought | seconds
--   ann     | 2     | 2     | /cart     | true   | 2
--   bob     | 1     | 1     | /         | false  | 0.1
-- expect services_1m
-- watermark events 12:00:05
-- expect services_1m
--   service | window_end          | measures | cpu  | memory_peak | errors
--   web     | 2026-01-01 12:00:05 | 2        | 0.75 | 0.5         | 1
