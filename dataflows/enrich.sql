-- Enrichment with a filter: a web shop's log beside what is known of its users, staff left out.
--
--     cargo run --release -- run dataflows/enrich.sql --exit-at-end
--     head -3 out/enriched.ndjson
--
-- `users` is a reference table that begins with a file. Without --exit-at-end it stays open to changes:
--
--     curl -X POST http://127.0.0.1:8080/api/v1/tables/users/rows -d '[{"id":"u1","name":"Ada","country":"IE","role":"staff"}]'
--
-- A request is joined with its user as known when it arrives (FOR SYSTEM_TIME AS OF). LEFT: one of a user who is not in the
-- table passes, beside NULLs.

CREATE SOURCE clicks (
  user_id VARCHAR, page VARCHAR, status INT, duration_ms DOUBLE, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'dataflows/data/clicks.ndjson', 'format' = 'json');

CREATE TABLE users (id VARCHAR PRIMARY KEY, name VARCHAR, country VARCHAR, role VARCHAR)
WITH ('path' = 'dataflows/data/users.csv', 'format' = 'csv');

CREATE VIEW enriched AS
SELECT c.user_id, u.name, u.country, c.page, c.status, c.duration_ms, c.ts
FROM clicks AS c LEFT JOIN users FOR SYSTEM_TIME AS OF c.ts AS u ON c.user_id = u.id
WHERE u.role IS DISTINCT FROM 'staff';

CREATE MATERIALIZED VIEW countries AS
SELECT country, window_start, window_end, COUNT(*) AS views, COUNT(DISTINCT user_id) AS users, AVG(duration_ms) AS mean_ms
FROM TABLE(TUMBLE(TABLE enriched, DESCRIPTOR(ts), INTERVAL '5' MINUTE))
GROUP BY country, window_start, window_end;

CREATE SINK enriched_out WITH ('connector' = 'filesystem', 'path' = 'out/enriched.ndjson', 'format' = 'json') AS
SELECT * FROM enriched;

CREATE SINK countries_out WITH ('connector' = 'filesystem', 'path' = 'out/countries.ndjson', 'format' = 'json') AS
SELECT * FROM countries;
