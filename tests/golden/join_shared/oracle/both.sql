-- accepted: moves = customers.ndjson, ts, 5000, 0
-- accepted: orders = orders.ndjson, ts, 5000, 0
-- accepted: payments = payments.ndjson, ts, 5000, 0

SELECT o.customer, COUNT(*) AS n, SUM(o.amount - p.paid) AS owed FROM orders o JOIN payments p ON o.customer = p.customer GROUP BY o.customer
