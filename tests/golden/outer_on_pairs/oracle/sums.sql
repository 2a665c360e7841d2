-- rows: a = a.ndjson
-- rows: b = b.ndjson
-- rows: c = c.ndjson
SELECT a.k, a.x, b.k AS k2, b.y FROM a LEFT JOIN b ON a.x + b.y IN (SELECT c.k FROM c)
