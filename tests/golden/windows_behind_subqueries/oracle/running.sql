-- rows: orders = orders.ndjson
-- rows: paid = paid.ndjson
SELECT id, SUM(n) OVER (PARTITION BY k ORDER BY ts) AS total FROM orders o WHERE EXISTS (SELECT 1 FROM paid p WHERE p.id = o.id)
