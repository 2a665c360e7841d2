-- Every NaN is equal to every other, whatever its sign, and greater than all numbers; -0.0 is 0.0: in comparisons, IN, CASE, NULLIF,
-- BETWEEN, joins, groups, DISTINCT, MIN, MAX and orders.
CREATE SOURCE t (k VARCHAR, n DOUBLE, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH ('connector' = 'filesystem', 'path' = 't.ndjson', 'format' = 'json');
CREATE VIEW v AS
SELECT k, ts, n * 0 AS z, CASE WHEN n > 0 THEN CAST('NaN' AS DOUBLE) WHEN n < 0 THEN -CAST('NaN' AS DOUBLE) ELSE n END AS f FROM t;

CREATE SINK compared WITH ('connector' = 'filesystem', 'path' = 'out/compared.ndjson', 'format' = 'json') AS
SELECT k, f = CAST('NaN' AS DOUBLE) AS nan, f = -f AS same, f <> f AS other, f > 5 AS above, f <= 5 AS below, f IS NOT DISTINCT FROM -f AS alike,
  z = 0 AS zero, z < 0 AS less, z BETWEEN 0 AND 1 AS within FROM v;
CREATE SINK listed WITH ('connector' = 'filesystem', 'path' = 'out/listed.ndjson', 'format' = 'json') AS
SELECT k, f IN (CAST('NaN' AS DOUBLE), 7) AS a, f IN (1, 2, 3, 4, CAST('NaN' AS DOUBLE)) AS b, f NOT IN (-CAST('NaN' AS DOUBLE), 1, 2, 3) AS c, z IN (0, 1, 2, 3, 4) AS d,
  CASE f WHEN CAST('NaN' AS DOUBLE) THEN 'nan' WHEN 0 THEN 'zero' END AS e, NULLIF(f, CAST('NaN' AS DOUBLE)) AS g FROM v;
CREATE SINK joined WITH ('connector' = 'filesystem', 'path' = 'out/joined.ndjson', 'format' = 'json') AS
SELECT x.k, y.k AS other FROM v x JOIN v y ON x.f = y.f AND x.z = y.z;
CREATE SINK grouped WITH ('connector' = 'filesystem', 'path' = 'out/grouped.ndjson', 'format' = 'json') AS
SELECT f, z, COUNT(*) AS n, COUNT(DISTINCT f) AS fs, MIN(f) AS low, MAX(f) AS high FROM v GROUP BY f, z;
CREATE SINK all_of_them WITH ('connector' = 'filesystem', 'path' = 'out/all_of_them.ndjson', 'format' = 'json') AS
SELECT COUNT(DISTINCT f) AS fs, MIN(f) AS low, MAX(f) AS high, MIN(z) AS lowest FROM v;
CREATE SINK foremost WITH ('connector' = 'filesystem', 'path' = 'out/foremost.ndjson', 'format' = 'json') AS
SELECT k, f FROM v ORDER BY f DESC, k DESC LIMIT 2;
CREATE SINK lowest WITH ('connector' = 'filesystem', 'path' = 'out/lowest.ndjson', 'format' = 'json') AS
SELECT k, z FROM v ORDER BY z, k DESC LIMIT 1;
CREATE SINK among WITH ('connector' = 'filesystem', 'path' = 'out/among.ndjson', 'format' = 'json') AS
SELECT k FROM v WHERE f IN (SELECT x.f FROM v x WHERE x.k = 'a');
