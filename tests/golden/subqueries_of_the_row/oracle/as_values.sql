-- rows: t1 = t1.ndjson
-- rows: t2 = t2.ndjson
-- rows: t3 = t3.ndjson
SELECT f1, EXISTS (SELECT 1 FROM t2 WHERE t2.f1 = t1.f1) AS e, f1 IN (SELECT f1 FROM t3) AS i, f1 NOT IN (SELECT f3 FROM t2 WHERE t2.f1 > t1.f1) AS j FROM t1
