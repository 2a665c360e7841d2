-- Alerts by thresholds that are edited in the page.
CREATE SOURCE events (
  type VARCHAR, kind VARCHAR, `value` DOUBLE, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '1' SECOND
) WITH ('connector' = 'datagen', 'kind' = 'mixed', 'rows-per-second' = '200');

CREATE TABLE limits (kind VARCHAR PRIMARY KEY NOT ENFORCED, most DOUBLE);

CREATE VIEW peaks AS SELECT kind, MAX(`value`) AS high FROM events WHERE type = 'sensor' GROUP BY kind;

CREATE MATERIALIZED VIEW too_high WITH ('alert' = 'high') AS
SELECT p.kind, p.high, l.most FROM peaks p JOIN limits l ON p.kind = l.kind WHERE p.high > l.most;
