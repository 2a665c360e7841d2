-- DECIMALs compared of which no DECIMAL of 38 digits holds all: 38 digits before the point beside places behind it. None is rounded, no row fails.
CREATE SOURCE a (k BIGINT, h DECIMAL(38, 0), g DECIMAL(38, 20), d DECIMAL(10, 2), n BIGINT, f DECIMAL(38, 38))
WITH ('connector' = 'filesystem', 'path' = 'rows.ndjson', 'format' = 'json');

CREATE SINK compared WITH ('connector' = 'filesystem', 'path' = 'out/compared.ndjson', 'format' = 'json') AS
SELECT k, h = g AS eq, h <> g AS ne, h < g AS lt, h >= g AS ge, h IS DISTINCT FROM g AS other, h BETWEEN g AND d AS inside, h NOT BETWEEN 0.5 AND g AS outside,
  h IN (g, d) AS one_of, h NOT IN (0.5, g) AS none_of, CASE h WHEN g THEN 'g' WHEN f THEN 'f' ELSE 'none' END AS named, n < g AS whole, n = h AS whole_h, f < h AS part, f > d AS part_d,
  (h, k) = (g, k) AS rows_eq, (h, k) < (g, k) AS rows_lt
FROM a;

CREATE SINK shown WITH ('connector' = 'filesystem', 'path' = 'out/shown.ndjson', 'format' = 'json') AS
SELECT k, LEAST(h, g) AS least_of, LEAST(g, d, n) AS least_of_three, NULLIF(h, g) AS unlike, NULLIF(g, h) AS unlike_g FROM a;

CREATE SINK greatest WITH ('connector' = 'filesystem', 'path' = 'out/greatest.ndjson', 'format' = 'json') AS
SELECT k, GREATEST(h, g) AS of_two, GREATEST(g, n) AS of_whole FROM a WHERE k IN (2, 5);

CREATE SINK kept WITH ('connector' = 'filesystem', 'path' = 'out/kept.ndjson', 'format' = 'json') AS
SELECT k FROM a WHERE h > g OR f = 0 AND n > f;

CREATE SINK joined WITH ('connector' = 'filesystem', 'path' = 'out/joined.ndjson', 'format' = 'json') AS
SELECT x.k, y.k AS other FROM a AS x JOIN a AS y ON x.h = y.g;

CREATE SINK beside WITH ('connector' = 'filesystem', 'path' = 'out/beside.ndjson', 'format' = 'json') AS
SELECT x.k, y.k AS other FROM a AS x LEFT JOIN a AS y ON x.d = y.h AND x.g < y.h;

CREATE SINK in_query WITH ('connector' = 'filesystem', 'path' = 'out/in_query.ndjson', 'format' = 'json') AS
SELECT k, h IN (SELECT g FROM a) AS one_of, h > ALL (SELECT f FROM a WHERE f IS NOT NULL) AS above FROM a;

CREATE SINK of_the_row WITH ('connector' = 'filesystem', 'path' = 'out/of_the_row.ndjson', 'format' = 'json') AS
SELECT k, (SELECT COUNT(*) FROM a AS o WHERE o.g = a.h) AS same, (SELECT MAX(o.k) FROM a AS o WHERE o.g < a.h) AS below FROM a;
