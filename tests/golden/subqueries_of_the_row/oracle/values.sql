-- rows: t1 = t1.ndjson
-- rows: t2 = t2.ndjson
-- rows: t3 = t3.ndjson
SELECT t1.f1, v.x FROM t1 JOIN (VALUES (1, 'one'), (3, 'three')) v(k, x) ON v.k = t1.f1
