-- rows: orders = orders.ndjson
-- rows: paid = paid.ndjson
SELECT time_bucket(INTERVAL '1 minute', CAST(ts AS TIMESTAMP), TIMESTAMP '1970-01-01') AS window_start, COUNT(*) AS orders,
SUM(CASE WHEN id IN (SELECT id FROM paid) THEN 1 ELSE 0 END) AS settled FROM orders GROUP BY 1
