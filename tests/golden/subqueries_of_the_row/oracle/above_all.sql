-- rows: t1 = t1.ndjson
-- rows: t2 = t2.ndjson
-- rows: t3 = t3.ndjson
SELECT f1 FROM t1 WHERE f1 > ALL (SELECT f1 FROM t3 WHERE f1 > 1) OR f1 >= ANY (SELECT f1 FROM t3)
