-- rows: a = a.ndjson
-- rows: b = b.ndjson
-- rows: c = c.ndjson
SELECT a.k, a.x, b.k AS k2, b.y FROM a LEFT JOIN b ON NOT EXISTS (SELECT 1 FROM c WHERE c.k = a.k AND c.z = b.y) AND a.x < b.y
