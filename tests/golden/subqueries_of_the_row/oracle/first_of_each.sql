-- rows: t1 = t1.ndjson
-- rows: t2 = t2.ndjson
-- rows: t3 = t3.ndjson
SELECT DISTINCT ON (f1) f1, f3 FROM t2 ORDER BY f1, f3 DESC
