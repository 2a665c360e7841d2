-- Lists of one expression side by side: what is left of them, of NULL too, and lists of columns.
CREATE SOURCE clicks (
  "user" VARCHAR, page VARCHAR, ms DOUBLE, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'input.ndjson', 'format' = 'json');

CREATE SINK answers WITH ('connector' = 'filesystem', 'path' = 'out/answers.ndjson', 'format' = 'json') AS
SELECT "user", page, "user" NOT IN ('ann', 'bob') OR "user" NOT IN ('cy') AS neither,
  "user" IN ('ann') AND "user" IN ('bob', 'cy') AS both, NOT ("user" IN ('ann', 'bob') AND "user" IN ('cy')) AS not_both,
  ("user" = 'ann' OR "user" = 'bob') AND "user" NOT IN ('bob', 'ann') AS gone,
  "user" NOT IN ('ann', NULL) OR "user" NOT IN ('bob') AS unknown, "user" IN ('ann', 'bob') AND "user" IN ('bob', 'cy') AS bob,
  page IN ('/a', '/' || "user") AND page IN ('/' || "user", '/b') AS pages
FROM clicks;

CREATE SINK kept WITH ('connector' = 'filesystem', 'path' = 'out/kept.ndjson', 'format' = 'json') AS
SELECT "user", page, ms FROM clicks WHERE "user" NOT IN ('ann', 'bob') OR "user" NOT IN ('cy', 'dan');

CREATE SINK columns WITH ('connector' = 'filesystem', 'path' = 'out/columns.ndjson', 'format' = 'json') AS
SELECT "user", page FROM clicks WHERE page IN ("user", '/a', '/b') AND page IN (page, "user", '/c');
