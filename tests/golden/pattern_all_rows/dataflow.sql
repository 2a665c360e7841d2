-- Every row of every match, with what was known at that row; and its matches in a window of their own.
CREATE SOURCE quotes (
  symbol VARCHAR, price DOUBLE, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'input.ndjson', 'format' = 'json');

CREATE VIEW runs AS
SELECT * FROM quotes MATCH_RECOGNIZE (
  PARTITION BY symbol ORDER BY ts
  MEASURES MATCH_NUMBER() AS number, CLASSIFIER() AS is_a, COUNT(*) AS nth, SUM(price) AS so_far, FIRST(price) AS began_at
  ALL ROWS PER MATCH
  PATTERN (LOW HIGH{2,}) WITHIN INTERVAL '3' MINUTE
  DEFINE LOW AS price < 10, HIGH AS HIGH.price >= LOW.price
);

CREATE SINK result WITH ('connector' = 'filesystem', 'path' = 'out/result.ndjson', 'format' = 'json') AS SELECT * FROM runs;

CREATE SINK counted WITH ('connector' = 'filesystem', 'path' = 'out/counted.ndjson', 'format' = 'json') AS
SELECT window_start, COUNT(*) AS n, MAX(price) AS high
FROM TABLE(TUMBLE(TABLE runs, DESCRIPTOR(ts), INTERVAL '5' MINUTE))
GROUP BY window_start, window_end;
