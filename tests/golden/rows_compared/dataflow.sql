-- Rows compared with rows, NULLs among their values: part by part, in three values.
CREATE SOURCE t (f BIGINT, g BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts)
WITH ('connector' = 'filesystem', 'path' = 'input.ndjson', 'format' = 'json');

CREATE SINK result WITH ('connector' = 'filesystem', 'path' = 'out/result.ndjson', 'format' = 'json') AS
SELECT f, g, (f, g) = (2, 1) AS eq, (f, g) <> (2, 1) AS ne, (f, g) < (2, 1) AS lt, (f, g) <= (2, 1) AS le, (f, g) > (2, 1) AS gt,
  (f, g) >= (2, 1) AS ge, (f, g) BETWEEN (1, 5) AND (2, 1) AS within, (f, g) NOT BETWEEN (1, 5) AND (2, 1) AS beyond,
  (f, g) IN ((1, 5), (2, 7)) AS among, (f, g) NOT IN ((1, 5), (2, 7)) AS other, (f, g) IN ((2, NULL)) AS unknown,
  (f, g) IS DISTINCT FROM (2, NULL) AS apart, (f, g) IS NOT DISTINCT FROM (2, NULL) AS same,
  (f, g) IS NULL AS nothing, (f, g) IS NOT NULL AS whole, (f, g, 1) < (f, g, 2) AS longer
FROM t;

CREATE SINK kept WITH ('connector' = 'filesystem', 'path' = 'out/kept.ndjson', 'format' = 'json') AS
SELECT f, g FROM t WHERE NOT (f, g) >= (2, 1);
