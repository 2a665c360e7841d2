-- EXISTS, NOT EXISTS, IN, NOT IN, = ANY, <> ALL and scalar subqueries, over columns with NULLs and rows that come twice. They
-- follow both sides, so their results take rows back. A NULL in the subquery empties NOT IN; NOT EXISTS passes over it.
CREATE SOURCE clicks (
  "user" VARCHAR, page VARCHAR, ms DOUBLE, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'clicks.ndjson', 'format' = 'json');
CREATE SOURCE taps (
  "user" VARCHAR, page VARCHAR, ms DOUBLE, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'taps.ndjson', 'format' = 'json');

CREATE SINK exists WITH ('connector' = 'filesystem', 'path' = 'out/exists.ndjson', 'format' = 'json') AS
SELECT c."user", c.page, c.ts FROM clicks c WHERE EXISTS (SELECT 1 FROM taps t WHERE t."user" = c."user" AND t.page = c.page);

CREATE SINK exists_by_order WITH ('connector' = 'filesystem', 'path' = 'out/exists_by_order.ndjson', 'format' = 'json') AS
SELECT c."user", c.ms FROM clicks c WHERE EXISTS (SELECT 1 FROM taps t WHERE t."user" = c."user" AND t.ms < c.ms);

CREATE SINK not_exists WITH ('connector' = 'filesystem', 'path' = 'out/not_exists.ndjson', 'format' = 'json') AS
SELECT c."user", c.page, c.ts FROM clicks c WHERE NOT EXISTS (SELECT 1 FROM taps t WHERE t."user" = c."user" AND t.page = c.page);

CREATE SINK within WITH ('connector' = 'filesystem', 'path' = 'out/within.ndjson', 'format' = 'json') AS
SELECT "user", page, ts FROM clicks WHERE page IN (SELECT page FROM taps WHERE ms > 2);

CREATE SINK any_of WITH ('connector' = 'filesystem', 'path' = 'out/any_of.ndjson', 'format' = 'json') AS
SELECT "user", ts FROM clicks WHERE "user" = ANY (SELECT "user" FROM taps) AND page IS NOT NULL;

CREATE SINK not_in_nulls WITH ('connector' = 'filesystem', 'path' = 'out/not_in_nulls.ndjson', 'format' = 'json') AS
SELECT "user", page, ts FROM clicks WHERE "user" NOT IN (SELECT "user" FROM taps WHERE ts >= TIMESTAMP '2026-02-02 02:40:20');

CREATE SINK not_in WITH ('connector' = 'filesystem', 'path' = 'out/not_in.ndjson', 'format' = 'json') AS
SELECT "user", page, ts FROM clicks WHERE "user" NOT IN (SELECT "user" FROM taps WHERE "user" > 'u2' AND ts >= TIMESTAMP '2026-02-02 02:40:10') AND ms > 1;

CREATE SINK not_in_nothing WITH ('connector' = 'filesystem', 'path' = 'out/not_in_nothing.ndjson', 'format' = 'json') AS
SELECT "user", page, ts FROM clicks WHERE NOT "user" IN (SELECT "user" FROM taps WHERE ms > 100);

CREATE SINK not_in_counted WITH ('connector' = 'filesystem', 'path' = 'out/not_in_counted.ndjson', 'format' = 'json') AS
SELECT page, COUNT(*) AS n FROM clicks WHERE LOWER("user") <> ALL (SELECT "user" FROM taps WHERE "user" IS NOT NULL AND ms = 4) GROUP BY page;

CREATE SINK above_mean WITH ('connector' = 'filesystem', 'path' = 'out/above_mean.ndjson', 'format' = 'json') AS
SELECT "user", ms, ts FROM clicks WHERE ms > (SELECT AVG(ms) FROM taps);

CREATE SINK slowest WITH ('connector' = 'filesystem', 'path' = 'out/slowest.ndjson', 'format' = 'json') AS
SELECT "user", ms, ts FROM clicks c WHERE ms = (SELECT MAX(ms) FROM clicks d WHERE d."user" = c."user");

-- How many there are: none is 0, not unknown.
CREATE SINK how_many WITH ('connector' = 'filesystem', 'path' = 'out/how_many.ndjson', 'format' = 'json') AS
SELECT c."user", c.ms, (SELECT COUNT(*) FROM taps t WHERE t."user" = c."user" AND t.ms > 2) AS slow,
  (SELECT COUNT(DISTINCT t.page) + 1 FROM taps t WHERE t."user" = c."user" AND t.ms > 3) AS pages,
  (SELECT MAX(t.ms) FROM taps t WHERE t."user" = c."user" AND t.ms > 3) AS slowest
FROM clicks c;

CREATE SINK as_many WITH ('connector' = 'filesystem', 'path' = 'out/as_many.ndjson', 'format' = 'json') AS
SELECT c."user", c.ms FROM clicks c WHERE c.ms >= (SELECT COUNT(*) FROM taps t WHERE t."user" = c."user" AND t.ms > 3);

CREATE SINK more_than_none WITH ('connector' = 'filesystem', 'path' = 'out/more_than_none.ndjson', 'format' = 'json') AS
SELECT "user", ms, (SELECT COUNT(*) * 2 + 1 FROM taps WHERE ms > 1000) AS one,
  (SELECT COUNT(*) FROM taps t WHERE t."user" = c."user" AND 'a' = 'b') AS zero
FROM clicks c WHERE ms > (SELECT COUNT(*) FROM taps WHERE page = '/nowhere');

-- A literal on either side, in the condition of a join.
CREATE SINK of_one_user WITH ('connector' = 'filesystem', 'path' = 'out/of_one_user.ndjson', 'format' = 'json') AS
SELECT c."user", t."user" AS other, c.ms, t.ms AS t_ms FROM clicks c RIGHT JOIN taps t ON c."user" = t."user" AND 'u2' = t."user" AND 2 < t.ms;

-- Below OR: all rows, and whether each has a partner.
CREATE SINK either_way WITH ('connector' = 'filesystem', 'path' = 'out/either_way.ndjson', 'format' = 'json') AS
SELECT "user", page, ms FROM clicks c WHERE ms > 3 OR EXISTS (SELECT 1 FROM taps t WHERE t."user" = c."user" AND t.page = c.page)
  OR (page = '/a' AND "user" NOT IN (SELECT "user" FROM taps WHERE ms > 2));
