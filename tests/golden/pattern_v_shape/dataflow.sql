-- A fall of the price, then a rise above where it began: PREV compares neighbours, measures aggregate over a variable.
CREATE SOURCE quotes (
  symbol VARCHAR, price DOUBLE, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'input.ndjson', 'format' = 'json');

CREATE SINK result WITH ('connector' = 'filesystem', 'path' = 'out/result.ndjson', 'format' = 'json') AS
SELECT * FROM quotes
MATCH_RECOGNIZE (
  PARTITION BY symbol
  ORDER BY ts
  MEASURES
    FIRST(BEGAN.ts) AS began, LAST(DOWN.price) AS bottom, LAST(UP.price) AS top, UP.ts AS ended,
    COUNT(DOWN.price) AS falls, AVG(price) AS mean, MIN(DOWN.price) AS low, MAX(UP.price) AS high,
    MATCH_NUMBER() AS number, CLASSIFIER() AS kind, PREV(FIRST(price)) AS before
  PATTERN (BEGAN DOWN+ UP{1,3}) WITHIN INTERVAL '2' MINUTE
  DEFINE DOWN AS DOWN.price < PREV(DOWN.price), UP AS UP.price > PREV(UP.price)
);
