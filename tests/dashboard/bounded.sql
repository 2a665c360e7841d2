-- Rows that end: what the page says then is exactly what the API says.
CREATE SOURCE events (
  type VARCHAR, kind VARCHAR, location VARCHAR, `value` DOUBLE, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '1' SECOND
) WITH (
  'connector' = 'datagen', 'kind' = 'mixed', 'number-of-rows' = '20000', 'rows-per-second' = '500',
  'disorder' = '1 s', 'late-rate' = '0.01', 'lateness' = '3 s'
);

CREATE MATERIALIZED VIEW by_site AS
SELECT location, window_start, window_end, COUNT(*) AS readings, MAX(`value`) AS high
FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(ts), INTERVAL '10' SECOND))
WHERE type = 'sensor'
GROUP BY location, window_start, window_end
EMIT CHANGES;

CREATE MATERIALIZED VIEW totals AS SELECT type, COUNT(*) AS rows_seen FROM events GROUP BY type;

CREATE MATERIALIZED VIEW crowded WITH ('alert' = 'high') AS SELECT * FROM by_site WHERE readings > 165;
