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

-- test: a request is joined with its user as known when it arrives
-- upsert users
--   id | name  | country | role
--   u1 | Ada   | IE      | customer
--   u2 | Grace | US      | staff
-- input clicks
--   user_id | page | ts
--   u1      | /    | 2026-01-01 12:00:01
--   u2      | /    | 2026-01-01 12:00:02
--   x9      | /    | 2026-01-01 12:00:03
-- expect enriched_out
--   user_id | name | country
--   u1      | Ada  | IE
--   x9      | NULL | NULL
-- upsert users
--   id | name         | country | role
--   u1 | Ada Lovelace | GB      | customer
-- input clicks
--   user_id | page | ts
--   u1      | /buy | 2026-01-01 12:00:04
-- expect changes enriched_out
--   _op    | user_id | name         | page
--   insert | u1      | Ada          | /
--   insert | x9      | NULL         | /
--   insert | u1      | Ada Lovelace | /buy
-- watermark clicks 12:05
-- expect countries
--   country | views | users
--   GB      | 1     | 1
--   IE      | 1     | 1
--   NULL    | 1     | 1
