-- accepted: orders = orders.ndjson, ts, 3000, 0
-- accepted: rates = rates.ndjson, ts, 2000, 0

SELECT * FROM (
  SELECT o.id, (SELECT r.rate FROM rates r WHERE r.currency = o.currency AND r.ts <= o.ts ORDER BY r.ts DESC, r.position DESC LIMIT 1) AS rate
  FROM orders o WHERE o.amount > 100
) WHERE rate > 2.5
