-- Event times as numbers of seconds, with fractions.
CREATE SOURCE clicks (
  "user" VARCHAR, page VARCHAR, ms DOUBLE, ts TIMESTAMP(3)
) WITH ('connector' = 'filesystem', 'path' = 'input.ndjson', 'format' = 'json', 'timestamp.unit' = 's');

CREATE SINK result WITH ('connector' = 'filesystem', 'path' = 'out/result.ndjson', 'format' = 'json') AS
SELECT "user", ts FROM clicks;
