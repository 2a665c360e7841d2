-- rows: t1 = t1.ndjson
-- rows: t2 = t2.ndjson
-- rows: t3 = t3.ndjson
SELECT f1, f3 FROM t1 JOIN t2 USING (f1) WHERE f1 > 0
