-- rows: t1 = t1.ndjson
-- rows: t2 = t2.ndjson
-- rows: t3 = t3.ndjson
SELECT f1, (SELECT x.f1 FROM (SELECT f1, COUNT(*) AS n FROM t2 GROUP BY f1) x WHERE n < 2) AS x FROM t1
