-- Subqueries that read a key of a grouping that is computed; and in ORDER BY columns that are not shown.
CREATE SOURCE t (id INT, a INT) WITH ('connector' = 'filesystem', 'path' = 't.csv', 'format' = 'csv');
CREATE SOURCE s (x INT, y INT) WITH ('connector' = 'filesystem', 'path' = 's.csv', 'format' = 'csv');

CREATE SINK shown WITH ('connector' = 'filesystem', 'path' = 'out/shown.ndjson', 'format' = 'json') AS
SELECT a + 1 AS b, (SELECT MAX(y) FROM s WHERE x = a + 1) AS most, COUNT(*) AS n FROM t GROUP BY a + 1;

CREATE SINK having WITH ('connector' = 'filesystem', 'path' = 'out/having.ndjson', 'format' = 'json') AS
SELECT a % 2 AS odd, COUNT(*) AS n FROM t GROUP BY a % 2 HAVING EXISTS (SELECT 1 FROM s WHERE x = a % 2);

CREATE SINK first WITH ('connector' = 'filesystem', 'path' = 'out/first.ndjson', 'format' = 'json') AS
SELECT a + 1 AS b, SUM(id) AS ids FROM t GROUP BY a + 1 ORDER BY (SELECT MAX(y) FROM s WHERE x = a + 1) DESC LIMIT 2;

CREATE SINK unseen WITH ('connector' = 'filesystem', 'path' = 'out/unseen.ndjson', 'format' = 'json') AS
SELECT id AS a FROM t ORDER BY (SELECT MAX(y) FROM s WHERE x = t.a) DESC, t.id LIMIT 3;

-- Further in `t` is another relation.
CREATE SINK hidden WITH ('connector' = 'filesystem', 'path' = 'out/hidden.ndjson', 'format' = 'json') AS
SELECT a + 1 AS b, (SELECT COUNT(*) FROM t WHERE EXISTS (SELECT 1 FROM s WHERE x = t.a + 1)) AS n FROM t GROUP BY a + 1;

-- By an alias it is another one.
CREATE SINK aliased WITH ('connector' = 'filesystem', 'path' = 'out/aliased.ndjson', 'format' = 'json') AS
SELECT a + 1 AS b, (SELECT COUNT(*) FROM t AS u WHERE u.a IN (SELECT x FROM s WHERE x <> t.a + 1)) AS n FROM t GROUP BY a + 1;
