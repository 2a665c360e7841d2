-- A comparison with all earlier rows, shown as it changes: NULL is not known as long as no row makes it false, at every epoch.
CREATE SOURCE taps (
  k BIGINT, n BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'taps.ndjson', 'format' = 'json');

CREATE SINK above_all WITH ('connector' = 'filesystem', 'path' = 'out/above_all.ndjson', 'format' = 'json') AS
SELECT k, n, n > ALL (SELECT e.n FROM taps e WHERE e.ts < t.ts) AS above FROM taps t EMIT CHANGES;
