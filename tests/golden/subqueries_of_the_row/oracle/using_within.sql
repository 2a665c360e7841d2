-- rows: t1 = t1.ndjson
-- rows: t2 = t2.ndjson
-- rows: t3 = t3.ndjson
SELECT f1, t2.f1 AS g, COUNT(*) AS n FROM t1 LEFT JOIN t2 USING (f1) WHERE EXISTS (SELECT 1 FROM t2 x WHERE x.f1 >= t1.f1) GROUP BY f1, t2.f1
