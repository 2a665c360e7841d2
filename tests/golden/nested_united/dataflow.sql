-- Arrays, maps and rows of several types in one column of a UNION: of one type before they are grouped and shown.
CREATE SOURCE t (k BIGINT, s VARCHAR, d DATE, t TIMESTAMP(3), x DECIMAL(10, 2))
WITH ('connector' = 'filesystem', 'path' = 'rows.ndjson', 'format' = 'json');

CREATE SINK with_nulls WITH ('connector' = 'filesystem', 'path' = 'out/with_nulls.ndjson', 'format' = 'json') AS
SELECT v, COUNT(*) AS n FROM (SELECT ROW(s, NULL) AS v FROM t UNION ALL SELECT ROW(NULL, k) FROM t) q GROUP BY v;

CREATE SINK dated WITH ('connector' = 'filesystem', 'path' = 'out/dated.ndjson', 'format' = 'json') AS
SELECT ARRAY[d] AS v FROM t UNION SELECT ARRAY[t] FROM t;

CREATE SINK numbers WITH ('connector' = 'filesystem', 'path' = 'out/numbers.ndjson', 'format' = 'json') AS
SELECT MAP['a', k] AS v, ROW(k, ARRAY[k]) AS r FROM t UNION ALL SELECT MAP['a', x], ROW(x, ARRAY[x]) FROM t;

CREATE SINK one_group WITH ('connector' = 'filesystem', 'path' = 'out/one_group.ndjson', 'format' = 'json') AS
SELECT 'all' AS a FROM t HAVING 1 = 1;

CREATE SINK no_group WITH ('connector' = 'filesystem', 'path' = 'out/no_group.ndjson', 'format' = 'json') AS
SELECT 'none' AS a HAVING 1 = 0;

CREATE SINK first_of WITH ('connector' = 'filesystem', 'path' = 'out/first_of.ndjson', 'format' = 'json') AS
SELECT k, (SELECT DISTINCT o.s FROM t AS o WHERE o.k >= t.k LIMIT 1) AS least, k IN (SELECT DISTINCT k FROM t LIMIT 1) AS first_k FROM t;

CREATE VIEW array AS SELECT DISTINCT k FROM t;
CREATE VIEW emit AS SELECT DISTINCT s, k FROM t;
CREATE SINK by_name WITH ('connector' = 'filesystem', 'path' = 'out/by_name.ndjson', 'format' = 'json') AS
SELECT array.k, emit.s FROM array JOIN emit ON array.k = emit.k;
CREATE SINK by_last WITH ('connector' = 'filesystem', 'path' = 'out/by_last.ndjson', 'format' = 'json') AS
SELECT s FROM emit;
