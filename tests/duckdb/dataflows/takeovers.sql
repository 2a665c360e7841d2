-- accepted: events = dataflows/data/payments.ndjson, ts, 10000, 0
WITH RECURSIVE numbered AS (SELECT *, ROW_NUMBER() OVER (PARTITION BY user_id ORDER BY ts, position) AS n FROM events),
-- Per suspicious login the first purchase that is large enough, within five minutes.
pairs AS (
  SELECT l.user_id, l.n AS first, MIN(b.n) AS last
  FROM numbered l JOIN numbered b ON l.user_id IS NOT DISTINCT FROM b.user_id AND b.n > l.n AND b.ts <= l.ts + INTERVAL 5 MINUTE
  WHERE l.kind = 'login' AND l.risk > 0.8 AND b.kind = 'buy' AND b.amount > 1000 * l.risk
  GROUP BY l.user_id, l.n),
-- SKIP PAST LAST ROW: the next match of a user begins behind the last.
matches AS (
  (SELECT * FROM pairs QUALIFY ROW_NUMBER() OVER (PARTITION BY user_id ORDER BY first) = 1)
  UNION ALL
  (SELECT p.* FROM matches m JOIN pairs p ON p.user_id IS NOT DISTINCT FROM m.user_id AND p.first > m.last
   QUALIFY ROW_NUMBER() OVER (PARTITION BY p.user_id ORDER BY p.first) = 1))
SELECT m.user_id, l.ts AS login_at, l.risk, b.ts AS spent_at, b.amount, m.last - m.first - 1 AS between_them
FROM matches m
JOIN numbered l ON l.user_id IS NOT DISTINCT FROM m.user_id AND l.n = m.first
JOIN numbered b ON b.user_id IS NOT DISTINCT FROM m.user_id AND b.n = m.last
