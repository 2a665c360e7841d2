-- Equal values are equal within arrays, rows and maps too: -0.0 is 0.0, and every NaN is one.
CREATE SOURCE t (k VARCHAR, n DOUBLE, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH ('connector' = 'filesystem', 'path' = 't.ndjson', 'format' = 'json');
CREATE VIEW v AS SELECT k, ts, ARRAY[f, 1] AS a, ROW(f, k > 'a') AS r, MAP['x', f] AS m, f FROM (SELECT k, ts, CASE WHEN n > 5 THEN CAST('NaN' AS DOUBLE) WHEN n < -5 THEN -CAST('NaN' AS DOUBLE) ELSE n * 0 END AS f FROM t);

CREATE SINK arrays WITH ('connector' = 'filesystem', 'path' = 'out/arrays.ndjson', 'format' = 'json') AS
SELECT DISTINCT a FROM v;
CREATE SINK grouped WITH ('connector' = 'filesystem', 'path' = 'out/grouped.ndjson', 'format' = 'json') AS
SELECT a, COUNT(*) AS n, COUNT(DISTINCT r) AS rs FROM v GROUP BY a;
CREATE SINK joined WITH ('connector' = 'filesystem', 'path' = 'out/joined.ndjson', 'format' = 'json') AS
SELECT x.k, y.k AS other FROM v x JOIN v y ON x.a = y.a WHERE x.k < y.k;
CREATE SINK compared WITH ('connector' = 'filesystem', 'path' = 'out/compared.ndjson', 'format' = 'json') AS
SELECT x.k, y.k AS other, x.a = y.a AS e, x.a <> y.a AS ne, x.a IS NOT DISTINCT FROM y.a AS alike, x.r = y.r AS rows_e, NULLIF(x.a, y.a) IS NULL AS nullif_is,
  CASE x.a WHEN y.a THEN 'same' ELSE 'other' END AS cased, x.a IN (y.a, ARRAY[7, 8]) AS listed, (x.f, x.f) = (y.f, y.f) AS pair, x.a < y.a AS less
FROM v x JOIN v y ON x.ts + INTERVAL '1' SECOND = y.ts;
CREATE SINK functions WITH ('connector' = 'filesystem', 'path' = 'out/functions.ndjson', 'format' = 'json') AS
SELECT x.k, y.k AS other, ARRAY_CONTAINS(x.a, y.f) AS holds, ARRAY_POSITION(x.a, y.f) AS at, CARDINALITY(ARRAY_DISTINCT(ARRAY[x.f, y.f])) AS apart,
  CARDINALITY(ARRAY_UNION(x.a, y.a)) AS either, CARDINALITY(ARRAY_EXCEPT(x.a, y.a)) AS less, CARDINALITY(ARRAY_INTERSECT(x.a, y.a)) AS shared,
  CARDINALITY(ARRAY_REMOVE(x.a, y.f)) AS rest, MAP[x.f, 1, 7, 2][y.f] AS found, ARRAY_CONTAINS(ARRAY[x.a], y.a) AS deep
FROM v x JOIN v y ON x.ts + INTERVAL '1' SECOND = y.ts;
CREATE SINK ranked WITH ('connector' = 'filesystem', 'path' = 'out/ranked.ndjson', 'format' = 'json') AS
SELECT k, c FROM (SELECT k, ROW_NUMBER() OVER (PARTITION BY a ORDER BY ts) AS c FROM v) WHERE c <= 1;
CREATE SINK among WITH ('connector' = 'filesystem', 'path' = 'out/among.ndjson', 'format' = 'json') AS
SELECT k FROM v WHERE a IN (SELECT x.a FROM v x WHERE x.k = 'a');
