-- rows: t1 = t1.ndjson
-- rows: t2 = t2.ndjson
-- rows: t3 = t3.ndjson
SELECT f1 FROM t1 WHERE f1 IN (VALUES (2), (5))
