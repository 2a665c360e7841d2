-- WITH of one name in several queries: each is known in its own, hides what is outside, and is not known in itself.
CREATE SOURCE rows_ (rel VARCHAR, k BIGINT, v BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts)
WITH ('connector' = 'filesystem', 'path' = 'input.ndjson', 'format' = 'json');
CREATE VIEW t AS SELECT k, v AS a FROM rows_ WHERE rel = 't';
CREATE VIEW u AS SELECT k, v AS b FROM rows_ WHERE rel = 'u';
CREATE VIEW w AS SELECT k, v AS c FROM rows_ WHERE rel = 'w';

CREATE SINK siblings WITH ('connector' = 'filesystem', 'path' = 'out/siblings.ndjson', 'format' = 'json') AS
SELECT 'one' AS of, k, b AS v FROM (WITH x AS (SELECT * FROM t) SELECT k, b FROM x NATURAL JOIN u)
UNION ALL
SELECT 'two', k, c FROM (WITH x AS (SELECT k, b AS other FROM u) SELECT k, c FROM x NATURAL JOIN w);

CREATE SINK shadowed WITH ('connector' = 'filesystem', 'path' = 'out/shadowed.ndjson', 'format' = 'json') AS
WITH x AS (SELECT k, a FROM t)
SELECT x.k, x.a, y.b FROM x JOIN (WITH x AS (SELECT k, b FROM u) SELECT x.k, x.b FROM x) AS y USING (k);

CREATE SINK of_itself WITH ('connector' = 'filesystem', 'path' = 'out/of_itself.ndjson', 'format' = 'json') AS
WITH t AS (SELECT k, b, a + 1 AS a FROM t NATURAL JOIN u) SELECT k, a, b, c FROM t NATURAL JOIN w;

CREATE SINK hides_a_view WITH ('connector' = 'filesystem', 'path' = 'out/hides_a_view.ndjson', 'format' = 'json') AS
WITH y AS (SELECT * FROM t NATURAL JOIN w), t AS (SELECT k, b FROM u) SELECT k, a, c, b FROM y NATURAL JOIN t;

CREATE SINK outer_in_inner WITH ('connector' = 'filesystem', 'path' = 'out/outer_in_inner.ndjson', 'format' = 'json') AS
WITH x AS (SELECT k, a FROM t)
SELECT * FROM (WITH x AS (SELECT k + 0 AS k, a * 2 AS a FROM x), z AS (SELECT * FROM x NATURAL JOIN u) SELECT k, a, b FROM z) AS inner_;

CREATE SINK in_conditions WITH ('connector' = 'filesystem', 'path' = 'out/in_conditions.ndjson', 'format' = 'json') AS
WITH x AS (SELECT k FROM u)
SELECT k, a FROM t WHERE k IN (WITH x AS (SELECT k FROM w) SELECT k FROM x) AND k NOT IN (SELECT k FROM x);

CREATE SINK recurring WITH ('connector' = 'filesystem', 'path' = 'out/recurring.ndjson', 'format' = 'json') AS
SELECT n, m FROM (
  WITH RECURSIVE x AS (SELECT k AS n FROM t UNION SELECT n + 1 FROM x WHERE n < 4) SELECT n FROM x
) AS one JOIN (
  WITH RECURSIVE x AS (SELECT k AS m FROM u UNION SELECT m + 2 FROM x WHERE m < 4) SELECT m FROM x
) AS two ON n = m;

CREATE SINK windows WITH ('connector' = 'filesystem', 'path' = 'out/windows.ndjson', 'format' = 'json') AS
SELECT * FROM (
  WITH x AS (SELECT * FROM rows_ WHERE rel <> 'w')
  SELECT window_end, COUNT(*) AS n, SUM(x.v) AS v FROM TABLE(TUMBLE(TABLE x, DESCRIPTOR(ts), INTERVAL '2' SECOND)) GROUP BY window_end
) AS x;
