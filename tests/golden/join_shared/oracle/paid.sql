-- accepted: moves = customers.ndjson, ts, 5000, 0
-- accepted: orders = orders.ndjson, ts, 5000, 0
-- accepted: payments = payments.ndjson, ts, 5000, 0

WITH customers AS (SELECT id, city FROM (SELECT id, city, ROW_NUMBER() OVER (PARTITION BY id ORDER BY ts DESC, city) AS n FROM moves) WHERE n = 1)
SELECT p.customer, c.city, p.paid FROM customers c JOIN payments p ON p.customer = c.id AND p.paid > 40
