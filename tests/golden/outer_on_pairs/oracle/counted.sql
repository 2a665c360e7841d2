-- rows: a = a.ndjson
-- rows: b = b.ndjson
-- rows: c = c.ndjson
SELECT a.k, COUNT(*) AS n, COUNT(b.y) AS met FROM a LEFT JOIN b ON a.x NOT IN (SELECT c.z FROM c WHERE c.k <= b.k) GROUP BY a.k
