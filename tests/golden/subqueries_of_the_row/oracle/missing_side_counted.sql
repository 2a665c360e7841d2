-- rows: t1 = t1.ndjson
-- rows: t2 = t2.ndjson
-- rows: t3 = t3.ndjson
SELECT f1, (SELECT COUNT(*) FROM t2 LEFT JOIN t3 ON t2.f3 = t3.f4 AND t3.f1 = t1.f1) AS n FROM t1
