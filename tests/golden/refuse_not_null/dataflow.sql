-- What certainly is NULL does not go into a column that is NOT NULL; nor does a value that certainly is of several rows.
CREATE SOURCE t (a BIGINT, b VARCHAR) WITH ('connector' = 'filesystem', 'path' = 'input.ndjson', 'format' = 'json');
CREATE TABLE o (a BIGINT NOT NULL, b VARCHAR NOT NULL, c BIGINT) WITH ('connector' = 'filesystem', 'path' = 'out/o.ndjson', 'format' = 'json');
INSERT INTO o (a, c) SELECT a, a FROM t;
INSERT INTO o SELECT NULL AS x, b, a FROM t;
INSERT INTO o SELECT a, CAST(NULL AS VARCHAR) AS y, a FROM t;
CREATE SINK one WITH ('connector' = 'filesystem', 'path' = 'out/one.ndjson', 'format' = 'json') AS
SELECT a, (SELECT x FROM (VALUES (1), (2)) v(x)) AS x FROM t;
CREATE SINK two WITH ('connector' = 'filesystem', 'path' = 'out/two.ndjson', 'format' = 'json') AS
SELECT a FROM t WHERE a = (SELECT 1 UNION ALL SELECT a FROM t UNION ALL SELECT COUNT(*) FROM t);
