-- More rows than a page is told.
CREATE SOURCE events (name VARCHAR, n BIGINT, x DOUBLE, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '1' SECOND)
WITH ('connector' = 'http', 'format' = 'json');

CREATE MATERIALIZED VIEW many AS SELECT name, COUNT(*) AS pushes, MAX(n) AS n, MAX(x) AS x FROM events GROUP BY name;

-- No time of its own: which rows are the newest is not known, and which are the highest has to be.
CREATE MATERIALIZED VIEW ranked AS SELECT name, MAX(n) AS most, MIN(n) - 30000 AS about, MAX(n) AS "most, so far"
FROM events GROUP BY name;
