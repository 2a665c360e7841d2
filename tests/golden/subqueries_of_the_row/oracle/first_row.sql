-- rows: t1 = t1.ndjson
-- rows: t2 = t2.ndjson
-- rows: t3 = t3.ndjson
SELECT f1, (SELECT f3 FROM t2 WHERE t2.f1 = t1.f1 ORDER BY f3 LIMIT 1) AS x FROM t1
