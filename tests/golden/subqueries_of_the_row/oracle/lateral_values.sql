-- rows: t1 = t1.ndjson
-- rows: t2 = t2.ndjson
-- rows: t3 = t3.ndjson
SELECT t1.f1, v.x FROM t1, LATERAL (VALUES (t1.f1), (t1.f1 * 10)) v(x)
