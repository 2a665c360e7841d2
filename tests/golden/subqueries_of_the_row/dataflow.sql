-- Subqueries that read the row outside, relations that share names, joins by names: each beside what DuckDB answers.
CREATE SOURCE t1 (f1 BIGINT) WITH ('connector' = 'filesystem', 'path' = 't1.ndjson', 'format' = 'json');
CREATE SOURCE t2 (f1 BIGINT, f3 BIGINT) WITH ('connector' = 'filesystem', 'path' = 't2.ndjson', 'format' = 'json');
CREATE SOURCE t3 (f1 BIGINT, f4 BIGINT) WITH ('connector' = 'filesystem', 'path' = 't3.ndjson', 'format' = 'json');

-- Inner relations that share a column's name with the one outside.
CREATE SINK shared_name WITH ('connector' = 'filesystem', 'path' = 'out/shared_name.ndjson', 'format' = 'json') AS
SELECT f1 FROM t1 WHERE EXISTS (SELECT * FROM t2 JOIN t3 ON t2.f3 = t3.f4 WHERE t3.f1 = t1.f1);
CREATE SINK shared_name_in WITH ('connector' = 'filesystem', 'path' = 'out/shared_name_in.ndjson', 'format' = 'json') AS
SELECT f1 FROM t1 WHERE f1 IN (SELECT t3.f1 FROM t2 JOIN t3 ON t2.f3 = t3.f4 WHERE t3.f1 = t1.f1) OR f1 < 0;
CREATE SINK alias_of_the_row WITH ('connector' = 'filesystem', 'path' = 'out/alias_of_the_row.ndjson', 'format' = 'json') AS
SELECT f1 AS f1, f1 + 1 AS g FROM t1 WHERE NOT EXISTS (SELECT t3.f1 AS f1 FROM t2 JOIN t3 ON t2.f3 = t3.f4 WHERE t3.f1 = t1.f1);

-- The row outside on the side of an outer join that may be missing.
CREATE SINK missing_side WITH ('connector' = 'filesystem', 'path' = 'out/missing_side.ndjson', 'format' = 'json') AS
SELECT f1 FROM t1 WHERE EXISTS (SELECT 1 FROM t2 LEFT JOIN t3 ON t2.f3 = t3.f4 AND t3.f1 = t1.f1);
CREATE SINK missing_side_counted WITH ('connector' = 'filesystem', 'path' = 'out/missing_side_counted.ndjson', 'format' = 'json') AS
SELECT f1, (SELECT COUNT(*) FROM t2 LEFT JOIN t3 ON t2.f3 = t3.f4 AND t3.f1 = t1.f1) AS n FROM t1;
CREATE SINK missing_side_full WITH ('connector' = 'filesystem', 'path' = 'out/missing_side_full.ndjson', 'format' = 'json') AS
SELECT f1, (SELECT COUNT(*) FROM t2 FULL JOIN (SELECT * FROM t3 WHERE t3.f1 = t1.f1) x ON t2.f3 = x.f4) AS n FROM t1;

-- An aggregate without keys is always one row.
CREATE SINK of_one_row WITH ('connector' = 'filesystem', 'path' = 'out/of_one_row.ndjson', 'format' = 'json') AS
SELECT f1 FROM t1 WHERE EXISTS (SELECT COUNT(*) FROM t2 WHERE t2.f1 = t1.f1);
CREATE SINK not_in_one_row WITH ('connector' = 'filesystem', 'path' = 'out/not_in_one_row.ndjson', 'format' = 'json') AS
SELECT f1 FROM t1 WHERE f1 NOT IN (SELECT MAX(f3) FROM t2 WHERE t2.f1 = t1.f1);
CREATE SINK of_nothing WITH ('connector' = 'filesystem', 'path' = 'out/of_nothing.ndjson', 'format' = 'json') AS
SELECT f1, (SELECT COALESCE(SUM(f3), 0) FROM t2 WHERE t2.f1 = t1.f1) AS x FROM t1;
CREATE SINK few WITH ('connector' = 'filesystem', 'path' = 'out/few.ndjson', 'format' = 'json') AS
SELECT f1, (SELECT n FROM (SELECT COUNT(*) AS n FROM t2 WHERE t2.f1 = t1.f1) x WHERE n < 2) AS x FROM t1;

-- As values, by order, two levels up, the first row.
CREATE SINK as_values WITH ('connector' = 'filesystem', 'path' = 'out/as_values.ndjson', 'format' = 'json') AS
SELECT f1, EXISTS (SELECT 1 FROM t2 WHERE t2.f1 = t1.f1) AS e, f1 IN (SELECT f1 FROM t3) AS i, f1 NOT IN (SELECT f3 FROM t2 WHERE t2.f1 > t1.f1) AS j FROM t1;
CREATE SINK by_order WITH ('connector' = 'filesystem', 'path' = 'out/by_order.ndjson', 'format' = 'json') AS
SELECT f1, (SELECT COUNT(*) FROM t2 WHERE t2.f1 <= t1.f1) AS n FROM t1;
CREATE SINK two_levels_up WITH ('connector' = 'filesystem', 'path' = 'out/two_levels_up.ndjson', 'format' = 'json') AS
SELECT f1 FROM t1 WHERE EXISTS (SELECT 1 FROM t2 WHERE EXISTS (SELECT 1 FROM t3 WHERE t3.f4 = t2.f3 AND t3.f1 = t1.f1));
CREATE SINK first_row WITH ('connector' = 'filesystem', 'path' = 'out/first_row.ndjson', 'format' = 'json') AS
SELECT f1, (SELECT f3 FROM t2 WHERE t2.f1 = t1.f1 ORDER BY f3 LIMIT 1) AS x FROM t1;
CREATE SINK above_all WITH ('connector' = 'filesystem', 'path' = 'out/above_all.ndjson', 'format' = 'json') AS
SELECT f1 FROM t1 WHERE f1 > ALL (SELECT f1 FROM t3 WHERE f1 > 1) OR f1 >= ANY (SELECT f1 FROM t3);
CREATE SINK without_from WITH ('connector' = 'filesystem', 'path' = 'out/without_from.ndjson', 'format' = 'json') AS
SELECT f1, (SELECT t1.f1 + 1) AS x FROM t1;
CREATE SINK in_on WITH ('connector' = 'filesystem', 'path' = 'out/in_on.ndjson', 'format' = 'json') AS
SELECT t1.f1, t2.f3 FROM t1 LEFT JOIN t2 ON t1.f1 = t2.f1 AND t2.f3 IN (SELECT f4 FROM t3);

-- The one row of a subquery: of several a row has no value, until they are one again.
CREATE SINK of_several WITH ('connector' = 'filesystem', 'path' = 'out/of_several.ndjson', 'format' = 'json') AS
SELECT f1, (SELECT f3 FROM t2 WHERE t2.f1 = t1.f1) AS x FROM t1;
CREATE SINK again_one WITH ('connector' = 'filesystem', 'path' = 'out/again_one.ndjson', 'format' = 'json') AS
SELECT f1, (SELECT x.f1 FROM (SELECT f1, COUNT(*) AS n FROM t2 GROUP BY f1) x WHERE n < 2) AS x FROM t1;
CREATE SINK above_one WITH ('connector' = 'filesystem', 'path' = 'out/above_one.ndjson', 'format' = 'json') AS
SELECT f1 FROM t1 WHERE f1 < (SELECT t2.f1 FROM t2 WHERE t2.f1 > t1.f1);

-- Rows compared with rows.
CREATE SINK row_in WITH ('connector' = 'filesystem', 'path' = 'out/row_in.ndjson', 'format' = 'json') AS
SELECT f1 FROM t1 WHERE (f1, f1 + 6) IN (SELECT f1, f3 FROM t2);
CREATE SINK row_not_in WITH ('connector' = 'filesystem', 'path' = 'out/row_not_in.ndjson', 'format' = 'json') AS
SELECT f1 FROM t1 WHERE (f1, f1 + 6) NOT IN (SELECT f1, f3 FROM t2 WHERE f3 IS NOT NULL);

-- LATERAL, VALUES, DISTINCT ON.
CREATE SINK lateral WITH ('connector' = 'filesystem', 'path' = 'out/lateral.ndjson', 'format' = 'json') AS
SELECT f1, x.v FROM t1 CROSS JOIN LATERAL (SELECT f3 + t1.f1 AS v FROM t2 WHERE t2.f1 = t1.f1) x;
CREATE SINK left_lateral WITH ('connector' = 'filesystem', 'path' = 'out/left_lateral.ndjson', 'format' = 'json') AS
SELECT f1, x.v, x.n FROM t1 LEFT JOIN LATERAL (SELECT f3 + t1.f1 AS v, 1 AS n FROM t2 WHERE t2.f1 = t1.f1) x ON TRUE;
CREATE SINK lateral_values WITH ('connector' = 'filesystem', 'path' = 'out/lateral_values.ndjson', 'format' = 'json') AS
SELECT t1.f1, v.x FROM t1, LATERAL (VALUES (t1.f1), (t1.f1 * 10)) v(x);
CREATE SINK values WITH ('connector' = 'filesystem', 'path' = 'out/values.ndjson', 'format' = 'json') AS
SELECT t1.f1, v.x FROM t1 JOIN (VALUES (1, 'one'), (3, 'three')) v(k, x) ON v.k = t1.f1;
CREATE SINK in_values WITH ('connector' = 'filesystem', 'path' = 'out/in_values.ndjson', 'format' = 'json') AS
SELECT f1 FROM t1 WHERE f1 IN (VALUES (2), (5));
CREATE SINK first_of_each WITH ('connector' = 'filesystem', 'path' = 'out/first_of_each.ndjson', 'format' = 'json') AS
SELECT DISTINCT ON (f1) f1, f3 FROM t2 ORDER BY f1, f3 DESC;

-- Joins by names.
CREATE SINK natural_full WITH ('connector' = 'filesystem', 'path' = 'out/natural_full.ndjson', 'format' = 'json') AS
SELECT f1, f3, f4 FROM t2 NATURAL FULL JOIN t3;
CREATE SINK natural_right WITH ('connector' = 'filesystem', 'path' = 'out/natural_right.ndjson', 'format' = 'json') AS
SELECT f1, f3, f4 FROM t2 NATURAL RIGHT JOIN t3;
CREATE SINK using_where WITH ('connector' = 'filesystem', 'path' = 'out/using_where.ndjson', 'format' = 'json') AS
SELECT * FROM t1 JOIN t2 USING (f1) WHERE f1 > 0;
CREATE SINK using_twice WITH ('connector' = 'filesystem', 'path' = 'out/using_twice.ndjson', 'format' = 'json') AS
SELECT f1, f3, f4 FROM t1 FULL JOIN t2 USING (f1) FULL JOIN t3 USING (f1);
CREATE SINK using_within WITH ('connector' = 'filesystem', 'path' = 'out/using_within.ndjson', 'format' = 'json') AS
SELECT f1, t2.f1 AS g, COUNT(*) AS n FROM t1 LEFT JOIN t2 USING (f1) WHERE EXISTS (SELECT 1 FROM t2 x WHERE x.f1 >= t1.f1) GROUP BY f1, t2.f1;

-- Calls that differ in a cast only.
CREATE SINK casts_apart WITH ('connector' = 'filesystem', 'path' = 'out/casts_apart.ndjson', 'format' = 'json') AS
SELECT SUM(f3) AS x, SUM(CAST(f3 AS DECIMAL(38, 0))) AS y, SUM(f3) FILTER (WHERE f1 = 1) AS z, SUM(CAST(f3 AS DOUBLE)) FILTER (WHERE f1 = 1) AS w FROM t2;
