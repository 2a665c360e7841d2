-- rows: t1 = t1.ndjson
-- rows: t2 = t2.ndjson
-- rows: t3 = t3.ndjson
SELECT SUM(f3) AS x, SUM(CAST(f3 AS DECIMAL(38, 0))) AS y, SUM(f3) FILTER (WHERE f1 = 1) AS z, SUM(CAST(f3 AS DOUBLE)) FILTER (WHERE f1 = 1) AS w FROM t2
