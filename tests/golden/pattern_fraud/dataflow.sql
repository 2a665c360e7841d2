-- A suspicious login and then a large transaction of the same user within 5 minutes.
CREATE SOURCE events (
  user_id VARCHAR, kind VARCHAR, risk DOUBLE, amount DOUBLE, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '10' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'input.ndjson', 'format' = 'json');

CREATE SINK result WITH ('connector' = 'filesystem', 'path' = 'out/result.ndjson', 'format' = 'json') AS
SELECT user_id, login_at, spent_at, amount, others, risk
FROM events
MATCH_RECOGNIZE (
  PARTITION BY user_id
  ORDER BY ts
  MEASURES
    LOGIN.ts AS login_at, LOGIN.risk AS risk, BUY.ts AS spent_at, BUY.amount AS amount, COUNT(OTHER.*) AS others
  ONE ROW PER MATCH
  AFTER MATCH SKIP PAST LAST ROW
  PATTERN (LOGIN OTHER*? BUY) WITHIN INTERVAL '5' MINUTE
  DEFINE
    LOGIN AS LOGIN.kind = 'login' AND LOGIN.risk > 0.8,
    BUY AS BUY.kind = 'buy' AND BUY.amount > 1000 * LOGIN.risk
) AS m;
