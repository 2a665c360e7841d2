-- rows: t1 = t1.ndjson
-- rows: t2 = t2.ndjson
-- rows: t3 = t3.ndjson
SELECT f1 AS f1, f1 + 1 AS g FROM t1 WHERE NOT EXISTS (SELECT t3.f1 AS f1 FROM t2 JOIN t3 ON t2.f3 = t3.f4 WHERE t3.f1 = t1.f1)
