-- A cheap quote and no dear one within a minute: $ holds when the time of the match has run out. Late rows amend.
CREATE SOURCE quotes (
  symbol VARCHAR, price DOUBLE, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'input.ndjson', 'format' = 'json', 'lateness' = '40 s');

CREATE SINK result WITH ('connector' = 'filesystem', 'path' = 'out/result.ndjson', 'format' = 'json') AS
SELECT symbol, cheap_at, quiet FROM quotes MATCH_RECOGNIZE (
  PARTITION BY symbol ORDER BY ts
  MEASURES CHEAP.ts AS cheap_at, COUNT(OTHER.*) AS quiet
  AFTER MATCH SKIP TO NEXT ROW
  PATTERN (CHEAP OTHER* $) WITHIN INTERVAL '1' MINUTE
  DEFINE CHEAP AS CHEAP.price < 10, OTHER AS OTHER.price < 14
);
