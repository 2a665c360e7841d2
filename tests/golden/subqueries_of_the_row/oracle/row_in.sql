-- rows: t1 = t1.ndjson
-- rows: t2 = t2.ndjson
-- rows: t3 = t3.ndjson
SELECT f1 FROM t1 WHERE EXISTS (SELECT 1 FROM t2 WHERE t2.f1 = t1.f1 AND f3 = t1.f1 + 6)
