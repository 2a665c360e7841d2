-- Enrichment with a reference table AS OF arrival (J4), its rows at the start from a file: nothing of the clicks is kept,
-- nothing is taken back; a row without a user, or with one that is not there, stands beside NULLs; conditions on either side.
CREATE SOURCE clicks (
  "user" VARCHAR, page VARCHAR, ms DOUBLE, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'input.ndjson', 'format' = 'json');
CREATE TABLE users (id VARCHAR PRIMARY KEY, "plan" VARCHAR, score BIGINT) WITH ('path' = 'users.csv', 'format' = 'csv');

CREATE SINK everyone WITH ('connector' = 'filesystem', 'path' = 'out/everyone.ndjson', 'format' = 'json') AS
SELECT c."user", c.page, c.ts, u."plan", u.score
FROM clicks c LEFT JOIN users FOR SYSTEM_TIME AS OF c.ts AS u ON c."user" = u.id AND c.page <> 'c';

CREATE VIEW known AS
SELECT c.page, c.ms, c.ts, u."plan", u.score
FROM clicks AS c JOIN users FOR SYSTEM_TIME AS OF c.ts u ON c."user" = u.id WHERE u."plan" <> 'staff' AND c.ms > u.score;

-- The event time goes on through the join: windows close.
CREATE SINK plans WITH ('connector' = 'filesystem', 'path' = 'out/plans.ndjson', 'format' = 'json') AS
SELECT "plan", window_start, COUNT(*) AS clicks, SUM(score) AS score
FROM TABLE(TUMBLE(TABLE known, DESCRIPTOR(ts), INTERVAL '10' SECOND))
GROUP BY "plan", window_start, window_end;
