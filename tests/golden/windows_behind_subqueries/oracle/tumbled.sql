-- rows: orders = orders.ndjson
-- rows: paid = paid.ndjson
SELECT time_bucket(INTERVAL '1 minute', CAST(ts AS TIMESTAMP), TIMESTAMP '1970-01-01') AS window_start, COUNT(*) AS orders, SUM(n) AS total
FROM orders o WHERE EXISTS (SELECT 1 FROM paid p WHERE p.id = o.id) GROUP BY 1
