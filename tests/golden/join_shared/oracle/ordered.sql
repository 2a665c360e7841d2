-- accepted: moves = customers.ndjson, ts, 5000, 0
-- accepted: orders = orders.ndjson, ts, 5000, 0
-- accepted: payments = payments.ndjson, ts, 5000, 0

WITH customers AS (SELECT id, city FROM (SELECT id, city, ROW_NUMBER() OVER (PARTITION BY id ORDER BY ts DESC, city) AS n FROM moves) WHERE n = 1)
SELECT c.city, COUNT(*) AS n, SUM(o.amount) AS amount FROM orders o JOIN customers c ON o.customer = c.id GROUP BY c.city
