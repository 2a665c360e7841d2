-- More rows than a page is told.
CREATE SOURCE events (name VARCHAR, n BIGINT, x DOUBLE, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '1' SECOND)
WITH ('connector' = 'http', 'format' = 'json');

CREATE MATERIALIZED VIEW many AS SELECT name, COUNT(*) AS pushes, MAX(n) AS n, MAX(x) AS x FROM events GROUP BY name;
