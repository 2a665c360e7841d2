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
