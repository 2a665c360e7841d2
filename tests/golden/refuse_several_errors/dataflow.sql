-- All errors of a program are told at once.
CREATE SOURCE clicks (
  "user" VARCHAR, page VARCHAR, ms DOUBLE, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'input.ndjson', 'format' = 'json');

CREATE SINK one WITH ('connector' = 'filesystem', 'path' = 'out/one.ndjson', 'format' = 'json') AS
SELECT nothing FROM clicks;

CREATE SINK two WITH ('connector' = 'filesystem', 'path' = 'out/two.ndjson', 'format' = 'json') AS
SELECT * FROM nowhere;
