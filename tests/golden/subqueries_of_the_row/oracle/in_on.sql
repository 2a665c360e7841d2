-- rows: t1 = t1.ndjson
-- rows: t2 = t2.ndjson
-- rows: t3 = t3.ndjson
SELECT t1.f1, t2.f3 FROM t1 LEFT JOIN t2 ON t1.f1 = t2.f1 AND t2.f3 IN (SELECT f4 FROM t3)
