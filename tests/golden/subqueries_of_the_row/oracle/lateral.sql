-- rows: t1 = t1.ndjson
-- rows: t2 = t2.ndjson
-- rows: t3 = t3.ndjson
SELECT f1, x.v FROM t1 CROSS JOIN LATERAL (SELECT f3 + t1.f1 AS v FROM t2 WHERE t2.f1 = t1.f1) x
