-- accepted: orders = orders.ndjson, ts, 3000, 0
-- accepted: rates = rates.ndjson, ts, 2000, 0

SELECT o.id, o.currency, o.amount * (SELECT r.rate FROM rates r WHERE r.currency = o.currency AND r.ts <= o.ts ORDER BY r.ts DESC, r.position DESC LIMIT 1) AS total,
  (SELECT r.ts FROM rates r WHERE r.currency = o.currency AND r.ts <= o.ts ORDER BY r.ts DESC, r.position DESC LIMIT 1) AS since
FROM orders o
