-- accepted: events = dataflows/data/payments.ndjson, ts, 10000, 0
WITH numbered AS (SELECT *, ROW_NUMBER() OVER (PARTITION BY user_id ORDER BY ts, position) AS n FROM events)
SELECT user_id, ts AS login_at, risk FROM numbered l
WHERE kind = 'login' AND risk > 0.8 AND NOT EXISTS (
  SELECT 1 FROM numbered b
  WHERE b.user_id IS NOT DISTINCT FROM l.user_id AND b.n > l.n AND b.ts <= l.ts + INTERVAL 5 MINUTE AND (b.kind <> 'buy') IS NOT TRUE)
