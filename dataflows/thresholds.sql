-- Readings out of bounds, where the bounds are kept in a table and changed while this runs.
--
--     cargo run --release -- run dataflows/thresholds.sql        then open http://127.0.0.1:8080
--
-- `thresholds` is a reference table: it begins with what the file says, and from then on it is changed over REST. A change
-- takes effect at one epoch, for everything that reads the table; the answer names it.
--
--     curl http://127.0.0.1:8080/api/v1/tables/thresholds/rows
--     curl -X POST http://127.0.0.1:8080/api/v1/tables/thresholds/rows -d '{"kind":"temperature","low":18,"high":24}'
--     curl -X DELETE 'http://127.0.0.1:8080/api/v1/tables/thresholds/rows?kind=pressure'
--     curl -N http://127.0.0.1:8080/api/v1/views/anomalies/stream
--
-- FOR SYSTEM_TIME AS OF says that a reading is judged by the bounds at its arrival: a later change judges later readings
-- only, and no reading is kept. Without it the join would follow every change, and keep every reading to judge it anew.

CREATE SOURCE readings (
  sensor_id VARCHAR, kind VARCHAR, location VARCHAR, `value` DOUBLE, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '1' SECOND
) WITH (
  'connector' = 'datagen', 'kind' = 'sensor', 'rows-per-second' = '1000', 'keys' = '300', 'disorder' = '1 s',
  'idle-timeout' = '5 s'
);

CREATE TABLE thresholds (kind VARCHAR PRIMARY KEY, low DOUBLE NOT NULL, high DOUBLE NOT NULL)
WITH ('path' = 'dataflows/data/thresholds.csv', 'format' = 'csv');

CREATE VIEW judged AS
SELECT r.sensor_id, r.location, r.kind, r.`value`, r.ts, t.low, t.high,
  r.`value` < t.low OR r.`value` > t.high AS out_of_bounds
FROM readings AS r JOIN thresholds FOR SYSTEM_TIME AS OF r.ts AS t ON r.kind = t.kind;

CREATE MATERIALIZED VIEW anomalies WITH ('alert' = 'high') AS
SELECT sensor_id, location, kind, `value`, low, high, ts FROM judged WHERE out_of_bounds;

-- How many of each site's readings they are, per 10 s.
CREATE MATERIALIZED VIEW sites AS
SELECT location, window_start, window_end, COUNT(*) AS readings, COUNT(*) FILTER (WHERE out_of_bounds) AS anomalies
FROM TABLE(TUMBLE(TABLE judged, DESCRIPTOR(ts), INTERVAL '10' SECOND))
GROUP BY location, window_start, window_end
EMIT CHANGES;

-- test: a reading is judged by the bounds at its arrival
-- input readings
--   sensor_id | kind        | location | value | ts
--   s1        | temperature | north    | 31    | 2026-01-01 12:00:00
-- upsert thresholds
--   kind        | low | high
--   temperature | 18  | 35
-- input readings
--   sensor_id | kind        | location | value | ts
--   s2        | temperature | north    | 31    | 2026-01-01 12:00:01
--   s3        | temperature | south    | 36    | 2026-01-01 12:00:01
-- delete thresholds
--   kind
--   temperature
-- input readings
--   sensor_id | kind        | location | value | ts
--   s4        | temperature | south    | 99    | 2026-01-01 12:00:02
-- watermark readings 12:00:09
-- expect anomalies
--   sensor_id | value | low | high
--   s1        | 31    | 12  | 30
--   s3        | 36    | 18  | 35
-- expect sites
--   location | readings | anomalies
--   north    | 2        | 1
--   south    | 1        | 1
