-- INTERSECT ALL and EXCEPT ALL: of a row that is there m and n times, the lesser, and what m is more; a NULL equals a NULL.
CREATE SOURCE clicks (
  "user" VARCHAR, page VARCHAR, ms DOUBLE, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'clicks.ndjson', 'format' = 'json');
CREATE SOURCE taps (
  "user" VARCHAR, page VARCHAR, ms DOUBLE, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'taps.ndjson', 'format' = 'json');

CREATE SINK both WITH ('connector' = 'filesystem', 'path' = 'out/both.ndjson', 'format' = 'json') AS
SELECT "user", page FROM clicks INTERSECT ALL SELECT "user", page FROM taps;

CREATE SINK more WITH ('connector' = 'filesystem', 'path' = 'out/more.ndjson', 'format' = 'json') AS
SELECT page, "user" FROM clicks EXCEPT ALL SELECT page, "user" FROM taps;

CREATE SINK chained WITH ('connector' = 'filesystem', 'path' = 'out/chained.ndjson', 'format' = 'json') AS
SELECT page FROM clicks EXCEPT ALL (SELECT page FROM taps INTERSECT ALL SELECT page FROM clicks WHERE ms > 30);

CREATE SINK typed WITH ('connector' = 'filesystem', 'path' = 'out/typed.ndjson', 'format' = 'json') AS
SELECT CAST(FLOOR(ms / 20) AS INT) AS tens FROM clicks EXCEPT ALL SELECT CAST(FLOOR(ms / 20) AS BIGINT) FROM taps;

CREATE SINK counted WITH ('connector' = 'filesystem', 'path' = 'out/counted.ndjson', 'format' = 'json') AS
SELECT page, COUNT(*) AS rows_left FROM (SELECT page, "user" FROM clicks EXCEPT ALL SELECT page, "user" FROM taps) WHERE page <> 'b' GROUP BY page;

CREATE SINK among WITH ('connector' = 'filesystem', 'path' = 'out/among.ndjson', 'format' = 'json') AS
SELECT "user", ms FROM clicks WHERE page IN (SELECT page FROM clicks EXCEPT ALL SELECT page FROM taps);

CREATE SINK windowed WITH ('connector' = 'filesystem', 'path' = 'out/windowed.ndjson', 'format' = 'json') AS
SELECT window_end, page FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '10' SECOND))
EXCEPT ALL
SELECT window_end, page FROM TABLE(TUMBLE(TABLE taps, DESCRIPTOR(ts), INTERVAL '10' SECOND));

-- `*`, and DISTINCT ON, of which what is shown may be there several times.
CREATE SINK of_all WITH ('connector' = 'filesystem', 'path' = 'out/of_all.ndjson', 'format' = 'json') AS
SELECT * FROM (SELECT "user", page FROM clicks) EXCEPT ALL SELECT * FROM (SELECT "user", page FROM taps);

CREATE SINK of_both WITH ('connector' = 'filesystem', 'path' = 'out/of_both.ndjson', 'format' = 'json') AS
SELECT q.* FROM (SELECT page FROM clicks) AS q INTERSECT ALL SELECT * FROM (SELECT page FROM taps);

CREATE SINK of_firsts WITH ('connector' = 'filesystem', 'path' = 'out/of_firsts.ndjson', 'format' = 'json') AS
SELECT page FROM (SELECT DISTINCT ON ("user") page FROM clicks ORDER BY "user", page, ms) EXCEPT ALL SELECT page FROM taps WHERE "user" = 'u2' AND ms IS NULL;
