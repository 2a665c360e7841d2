-- A ranking that nothing bounds would renumber every row again and again.
CREATE SOURCE clicks (
  user_id VARCHAR, page VARCHAR, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'input.ndjson', 'format' = 'json');

CREATE SINK result WITH ('connector' = 'filesystem', 'path' = 'out/result.ndjson', 'format' = 'json') AS
SELECT user_id, page, ROW_NUMBER() OVER (PARTITION BY user_id ORDER BY ts DESC) AS nth
FROM clicks;
