-- Something for every section: windows that show every change and windows that wait for their end, sessions, a ranking, groups,
-- alerts by thresholds that are edited, late rows that amend and later ones that are dead letters, two sources, a sink.
CREATE SOURCE events (
  type VARCHAR, sensor_id VARCHAR, kind VARCHAR, location VARCHAR, `value` DOUBLE, user_id VARCHAR, page VARCHAR,
  duration_ms BIGINT, service VARCHAR, level VARCHAR, cpu DOUBLE, latency_ms DOUBLE, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '2' SECOND
) WITH (
  'connector' = 'datagen', 'kind' = 'mixed', 'rows-per-second' = '1000', 'keys' = '60', 'disorder' = '2 s', 'late-rate' = '0.003',
  'lateness' = '6 s'
);

CREATE SOURCE probes (host VARCHAR, cpu DOUBLE, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '500' MILLISECOND)
WITH ('connector' = 'datagen', 'kind' = 'system', 'rows-per-second' = '200', 'keys' = '6', 'disorder' = '500 ms', 'delays' = 'skewed');

CREATE TABLE limits (kind VARCHAR PRIMARY KEY NOT ENFORCED, most DOUBLE, owner VARCHAR) WITH ('path' = 'limits.csv');

CREATE MATERIALIZED VIEW readings AS
SELECT location, window_start, window_end, COUNT(*) AS readings, AVG(`value`) AS mean, MAX(`value`) AS high
FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(ts), INTERVAL '5' SECOND))
WHERE type = 'sensor' AND kind = 'temperature'
GROUP BY location, window_start, window_end
EMIT CHANGES;

CREATE MATERIALIZED VIEW services AS
SELECT service, window_start, window_end, COUNT(*) AS measures, AVG(cpu) AS cpu, APPROX_PERCENTILE(latency_ms, 0.99) AS p99_ms
FROM TABLE(HOP(TABLE events, DESCRIPTOR(ts), INTERVAL '5' SECOND, INTERVAL '15' SECOND))
WHERE type = 'system'
GROUP BY service, window_start, window_end;

CREATE VIEW steps AS SELECT user_id, page, duration_ms, ts FROM events WHERE type = 'user';

CREATE MATERIALIZED VIEW visits AS
SELECT user_id, window_start, window_end, COUNT(*) AS steps, SUM(duration_ms) / 1000.0 AS seconds, LAST_VALUE(page) AS last_page
FROM TABLE(SESSION(TABLE steps PARTITION BY user_id, DESCRIPTOR(ts), INTERVAL '1' SECOND))
GROUP BY user_id, window_start, window_end;

CREATE MATERIALIZED VIEW pages AS SELECT page, COUNT(*) AS views, AVG(duration_ms) AS mean_ms FROM steps GROUP BY page;

CREATE MATERIALIZED VIEW hosts AS
SELECT host, window_start, window_end, AVG(cpu) AS cpu
FROM TABLE(TUMBLE(TABLE probes, DESCRIPTOR(ts), INTERVAL '2' SECOND)) GROUP BY host, window_start, window_end;

CREATE VIEW peaks AS
SELECT kind, location, window_start, window_end, MAX(`value`) AS high
FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(ts), INTERVAL '5' SECOND))
WHERE type = 'sensor'
GROUP BY kind, location, window_start, window_end
EMIT CHANGES;

CREATE MATERIALIZED VIEW too_high WITH ('alert' = 'high') AS
SELECT p.kind, p.location, p.window_end, p.high, l.most FROM peaks p JOIN limits l ON p.kind = l.kind WHERE p.high > l.most;

CREATE MATERIALIZED VIEW errors WITH ('alert' = 'medium') AS
SELECT service, window_end, COUNT(*) AS errors
FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(ts), INTERVAL '5' SECOND))
WHERE level = 'ERROR'
GROUP BY service, window_start, window_end
HAVING COUNT(*) >= 8
EMIT CHANGES;

CREATE SINK archive WITH ('connector' = 'blackhole') AS SELECT * FROM services;
