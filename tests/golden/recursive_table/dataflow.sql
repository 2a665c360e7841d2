-- WITH RECURSIVE over a reference table: events count for their unit and for all units above it.
CREATE SOURCE events (
  id BIGINT, unit VARCHAR, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'events.ndjson', 'format' = 'json');
CREATE TABLE units (id VARCHAR, parent VARCHAR, PRIMARY KEY (id) NOT ENFORCED)
  WITH ('path' = 'units.csv', 'format' = 'csv');

CREATE SINK per_unit WITH ('connector' = 'filesystem', 'path' = 'out/per_unit.ndjson', 'format' = 'json') AS
WITH RECURSIVE above (event, unit, steps) AS (
  SELECT id, unit, 0 FROM events WHERE unit IS NOT NULL
  UNION ALL
  SELECT a.event, u.parent, a.steps + 1 FROM above a JOIN units u ON u.id = a.unit WHERE u.parent IS NOT NULL)
SELECT unit, COUNT(*) AS events, COUNT(*) FILTER (WHERE steps = 0) AS own FROM above GROUP BY unit;
