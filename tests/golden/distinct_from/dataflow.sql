-- IS DISTINCT FROM binds closer than NOT, AND and OR, less close than comparisons.
CREATE SOURCE clicks (
  "user" VARCHAR, page VARCHAR, ms DOUBLE, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'input.ndjson', 'format' = 'json');

CREATE SINK result WITH ('connector' = 'filesystem', 'path' = 'out/result.ndjson', 'format' = 'json') AS
SELECT page, "user" IS DISTINCT FROM 'ann' AND ms > 200 AS first, "user" IS NOT DISTINCT FROM NULL OR ms < 300 AS second,
  NOT "user" IS DISTINCT FROM page OR ms > 400 AS third, ms > 200 IS DISTINCT FROM "user" = 'bob' AS fourth,
  "user" IS DISTINCT FROM (CASE WHEN ms IS NULL OR ms > 100 THEN 'ann' END) AND "user" IS NOT DISTINCT FROM "user" AS fifth
FROM clicks WHERE page IS DISTINCT FROM '/b' AND "user" IS DISTINCT FROM 'cy' OR ms IS NULL;
