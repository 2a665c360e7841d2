-- A subquery whose outer join asks for the row outside is joined with it by values of which NULLs are equal. Its own keys are compared
-- as ever: the row without `s` finds no partner, so the list holds 5 and 0, and no NULL.
CREATE TABLE r (k BIGINT, s STRING, i BIGINT, b BOOLEAN, ts TIMESTAMP(3), WATERMARK FOR ts AS ts)
WITH ('connector' = 'filesystem', 'path' = 'rows.ndjson', 'format' = 'json');

CREATE SINK told WITH ('connector' = 'filesystem', 'path' = 'out/told.ndjson', 'format' = 'json') AS
SELECT t.s, t.i + 1 NOT IN (
  SELECT w.i FROM r AS u LEFT JOIN r AS w ON u.k = w.k AND u.s = w.s AND w.k = t.k WHERE (w.k = t.k OR t.b) AND NOT (4 < w.k)
) AS x FROM r AS t;
