-- A plain join with a reference table follows its changes, so its result takes rows back: it is written with _op and _epoch.
-- Here the table has what a file brings and does not change.
CREATE SOURCE clicks (
  "user" VARCHAR, page VARCHAR, ms DOUBLE, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'input.ndjson', 'format' = 'json');
CREATE TABLE users (id VARCHAR, "plan" VARCHAR, score BIGINT, PRIMARY KEY (id) NOT ENFORCED)
  WITH ('path' = 'users.csv', 'format' = 'csv');

CREATE SINK paid WITH ('connector' = 'filesystem', 'path' = 'out/paid.ndjson', 'format' = 'json') AS
SELECT c."user", c.page, c.ts, u.score FROM clicks c JOIN users u ON c."user" = u.id WHERE u."plan" = 'paid';

CREATE SINK per_plan WITH ('connector' = 'filesystem', 'path' = 'out/per_plan.ndjson', 'format' = 'json') AS
SELECT u."plan", COUNT(*) AS clicks FROM clicks c LEFT JOIN users u ON c."user" = u.id GROUP BY u."plan";
