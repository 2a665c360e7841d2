-- A stolen account: a suspicious login, and within five minutes a purchase too large for it; a suspicious login after which
-- nothing is bought for five minutes is told too, as soon as that is certain.
--
--     cargo run --release -- run dataflows/takeover.sql --exit-at-end
--     cat out/takeovers.ndjson
--
-- MATCH_RECOGNIZE reads the events of each user in the order of their times, whatever order they come in. OTHER*? takes as
-- few rows as it can, so the first purchase that is large enough ends the match; the larger the risk of the login, the larger
-- it must be. WITHIN bounds the time from the first row to the last, and with it what is kept. `$` holds once that time
-- has run out: LOGIN, then anything but a purchase, until the end.

CREATE SOURCE events (
  user_id VARCHAR, kind VARCHAR, risk DOUBLE, amount DOUBLE, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '10' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'dataflows/data/payments.ndjson', 'format' = 'json');

CREATE MATERIALIZED VIEW takeovers WITH ('alert' = 'critical') AS
SELECT user_id, login_at, risk, spent_at, amount, between_them
FROM events
MATCH_RECOGNIZE (
  PARTITION BY user_id
  ORDER BY ts
  MEASURES
    LOGIN.ts AS login_at, LOGIN.risk AS risk, BUY.ts AS spent_at, BUY.amount AS amount, COUNT(OTHER.*) AS between_them
  ONE ROW PER MATCH
  AFTER MATCH SKIP PAST LAST ROW
  PATTERN (LOGIN OTHER*? BUY) WITHIN INTERVAL '5' MINUTE
  DEFINE
    LOGIN AS LOGIN.kind = 'login' AND LOGIN.risk > 0.8,
    BUY AS BUY.kind = 'buy' AND BUY.amount > 1000 * LOGIN.risk
) AS m;

CREATE MATERIALIZED VIEW nothing_bought WITH ('alert' = 'low') AS
SELECT user_id, login_at, risk
FROM events
MATCH_RECOGNIZE (
  PARTITION BY user_id
  ORDER BY ts
  MEASURES LOGIN.ts AS login_at, LOGIN.risk AS risk
  ONE ROW PER MATCH
  AFTER MATCH SKIP TO NEXT ROW
  PATTERN (LOGIN OTHER* $) WITHIN INTERVAL '5' MINUTE
  DEFINE
    LOGIN AS LOGIN.kind = 'login' AND LOGIN.risk > 0.8,
    OTHER AS OTHER.kind <> 'buy'
) AS m;

CREATE SINK takeovers_out WITH ('connector' = 'filesystem', 'path' = 'out/takeovers.ndjson', 'format' = 'json') AS
SELECT * FROM takeovers;

CREATE SINK nothing_bought_out WITH ('connector' = 'filesystem', 'path' = 'out/nothing_bought.ndjson', 'format' = 'json') AS
SELECT * FROM nothing_bought;

-- test: a purchase is judged by the risk of the login before it
-- input events
--   user_id | kind  | risk | amount | ts
--   ann     | login | 0.9  | NULL   | 2026-01-01 12:00:00
--   bob     | login | 0.9  | NULL   | 2026-01-01 12:00:00
--   cy      | login | 0.7  | NULL   | 2026-01-01 12:00:00
--   ann     | buy   | NULL | 950    | 2026-01-01 12:01:05
--   ann     | view  | NULL | NULL   | 2026-01-01 12:01:00
--   bob     | buy   | NULL | 899    | 2026-01-01 12:01:00
--   cy      | buy   | NULL | 5000   | 2026-01-01 12:01:00
-- watermark events 12:02
-- expect takeovers
--   user_id | login_at            | risk | spent_at            | amount | between_them
--   ann     | 2026-01-01 12:00:00 | 0.9  | 2026-01-01 12:01:05 | 950    | 1
--
-- test: that nothing was bought is told once it is certain
-- input events
--   user_id | kind  | risk | amount | ts
--   ann     | login | 0.9  | NULL   | 2026-01-01 12:00:00
--   bob     | login | 0.9  | NULL   | 2026-01-01 12:00:00
--   ann     | view  | NULL | NULL   | 2026-01-01 12:01:00
--   bob     | buy   | NULL | 1      | 2026-01-01 12:01:00
-- watermark events 12:04:59
-- expect nothing_bought
-- watermark events 12:05
-- expect nothing_bought
--   user_id | login_at            | risk
--   ann     | 2026-01-01 12:00:00 | 0.9
