-- rows: a = a.ndjson
-- rows: b = b.ndjson
-- rows: c = c.ndjson
SELECT a.k, a.x, b.k AS k2, b.y FROM a RIGHT JOIN b ON a.k = b.k AND b.y >= (SELECT MAX(c.z) FROM c WHERE c.k = a.k AND c.z >= a.x) AND a.x > 0
