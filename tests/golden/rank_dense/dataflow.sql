-- Requests as slow as one of the two quickest times of their page. The filter on the number stands in another statement than the ranking.
CREATE SOURCE clicks (
  "user" VARCHAR, page VARCHAR, ms DOUBLE, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'input.ndjson', 'format' = 'json');

CREATE VIEW ranked AS
SELECT page, ms, "user", DENSE_RANK() OVER (PARTITION BY page ORDER BY ms NULLS LAST) AS place FROM clicks;

CREATE SINK result WITH ('connector' = 'filesystem', 'path' = 'out/result.ndjson', 'format' = 'json') AS
SELECT page, ms, "user" FROM ranked WHERE place <= 2 AND ms IS NOT NULL;
