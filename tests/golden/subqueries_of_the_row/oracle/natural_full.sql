-- rows: t1 = t1.ndjson
-- rows: t2 = t2.ndjson
-- rows: t3 = t3.ndjson
SELECT f1, f3, f4 FROM t2 FULL JOIN t3 USING (f1)
