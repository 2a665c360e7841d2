-- Rows that keep coming, fast enough that a view has more than ten thousand changes a second.
CREATE SOURCE events (
  type VARCHAR, sensor_id VARCHAR, kind VARCHAR, location VARCHAR, `value` DOUBLE, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '1' SECOND
) WITH (
  'connector' = 'datagen', 'kind' = 'mixed', 'rows-per-second' = '16000', 'keys' = '4000', 'disorder' = '1 s'
);

CREATE MATERIALIZED VIEW busy AS
SELECT sensor_id, window_start, window_end, COUNT(*) AS readings, AVG(`value`) AS mean
FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(ts), INTERVAL '5' SECOND))
WHERE type = 'sensor'
GROUP BY sensor_id, window_start, window_end
EMIT CHANGES;
