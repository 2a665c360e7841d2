-- rows: t1 = t1.ndjson
-- rows: t2 = t2.ndjson
-- rows: t3 = t3.ndjson
SELECT f1, (SELECT COUNT(*) FROM t2 FULL JOIN (SELECT * FROM t3 WHERE t3.f1 = t1.f1) x ON t2.f3 = x.f4) AS n FROM t1
