-- SUBSET names several variables together: its rows are those of any of them. The pattern reads a subquery.
CREATE SOURCE quotes (
  symbol VARCHAR, price DOUBLE, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'input.ndjson', 'format' = 'json');

CREATE SINK result WITH ('connector' = 'filesystem', 'path' = 'out/result.ndjson', 'format' = 'json') AS
SELECT symbol, began, moves, falls + rises AS falls_and_rises, total, falls_total + rises_total AS both_totals,
       last_move, high, first_move, lowest
FROM (SELECT symbol, price * 2 AS doubled, ts FROM quotes WHERE price > 5) AS q
MATCH_RECOGNIZE (
  PARTITION BY symbol
  ORDER BY ts
  MEASURES
    FIRST(BEGAN.ts) AS began, COUNT(MOVE.*) AS moves, COUNT(DOWN.*) AS falls, COUNT(UP.*) AS rises,
    SUM(MOVE.doubled) AS total, SUM(DOWN.doubled) AS falls_total, SUM(UP.doubled) AS rises_total,
    LAST(MOVE.doubled) AS last_move, LAST(UP.doubled) AS high, FIRST(MOVE.doubled) AS first_move,
    MIN(LOW.doubled) AS lowest
  PATTERN (BEGAN DOWN+ UP{1,3}) WITHIN INTERVAL '2' MINUTE
  SUBSET MOVE = (DOWN, UP), LOW = (BEGAN, DOWN)
  DEFINE DOWN AS DOWN.doubled < PREV(DOWN.doubled), UP AS UP.doubled > PREV(UP.doubled)
) AS m;
