-- Intervals of one length are one key: of groups, DISTINCT, UNION, partitions, sets and rows that hold some; a month is 30 days.
CREATE SOURCE s (id INT, n BIGINT, kind STRING, a TIMESTAMP(3), b TIMESTAMP(3)) WITH ('connector' = 'filesystem', 'path' = 'input.ndjson', 'format' = 'json');

CREATE SOURCE timed (id INT, n BIGINT, kind STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts)
WITH ('connector' = 'filesystem', 'path' = 'timed.ndjson', 'format' = 'json');

CREATE VIEW spans AS
SELECT id, a, CASE kind WHEN 'hour' THEN n * INTERVAL '1' HOUR WHEN 'day' THEN n * INTERVAL '1' DAY WHEN 'month' THEN n * INTERVAL '1' MONTH END AS x
FROM s;

CREATE SINK grouped WITH ('connector' = 'filesystem', 'path' = 'out/grouped.ndjson', 'format' = 'json') AS
SELECT x, COUNT(*) AS n, MIN(id) AS first_id, a + x AS later FROM spans GROUP BY x, a;

CREATE SINK told_apart WITH ('connector' = 'filesystem', 'path' = 'out/told_apart.ndjson', 'format' = 'json') AS
SELECT DISTINCT x FROM spans;

CREATE SINK united WITH ('connector' = 'filesystem', 'path' = 'out/united.ndjson', 'format' = 'json') AS
SELECT x FROM spans WHERE id < 4 UNION SELECT INTERVAL '1' DAY FROM s UNION SELECT x FROM spans WHERE id > 3;

CREATE SINK counted WITH ('connector' = 'filesystem', 'path' = 'out/counted.ndjson', 'format' = 'json') AS
SELECT COUNT(DISTINCT x) AS n, CARDINALITY(ARRAY_AGG(DISTINCT x)) AS listed, COUNT(DISTINCT ROW(x, 1)) AS row_of FROM spans;

CREATE SINK numbered WITH ('connector' = 'filesystem', 'path' = 'out/numbered.ndjson', 'format' = 'json') AS
SELECT id, x, rn FROM (SELECT id, x, ROW_NUMBER() OVER (PARTITION BY x ORDER BY id) AS rn FROM spans) WHERE rn <= 9;

CREATE SINK in_frames WITH ('connector' = 'filesystem', 'path' = 'out/in_frames.ndjson', 'format' = 'json') AS
SELECT id, COUNT(*) OVER (PARTITION BY x ORDER BY ts ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS n
FROM (SELECT id, ts, CASE kind WHEN 'hour' THEN n * INTERVAL '1' HOUR ELSE n * INTERVAL '1' DAY END AS x FROM timed);

CREATE SINK ranked_within WITH ('connector' = 'filesystem', 'path' = 'out/ranked_within.ndjson', 'format' = 'json') AS
SELECT id, r FROM (SELECT id, RANK() OVER (ORDER BY ROW(x, 1)) AS r FROM spans WHERE x IS NOT NULL) WHERE r <= 99;

CREATE SINK in_both WITH ('connector' = 'filesystem', 'path' = 'out/in_both.ndjson', 'format' = 'json') AS
SELECT x FROM spans INTERSECT ALL SELECT INTERVAL '24' HOUR FROM s;

CREATE SINK in_one WITH ('connector' = 'filesystem', 'path' = 'out/in_one.ndjson', 'format' = 'json') AS
SELECT x FROM spans EXCEPT ALL SELECT INTERVAL '30' DAY FROM s WHERE id < 2;

CREATE SINK held WITH ('connector' = 'filesystem', 'path' = 'out/held.ndjson', 'format' = 'json') AS
SELECT id, ROW(x, 1) = ROW(INTERVAL '1' DAY, 1) AS as_row, ARRAY[x] = ARRAY[INTERVAL '24' HOUR] AS as_array,
  ROW(x, 1) IN (SELECT ROW(INTERVAL '24' HOUR, 1) FROM s) AS in_query, a + x AS later
FROM spans;

CREATE SINK joined WITH ('connector' = 'filesystem', 'path' = 'out/joined.ndjson', 'format' = 'json') AS
SELECT p.id, q.id AS other FROM spans p JOIN spans q ON ROW(p.x, 1) = ROW(q.x, 1) AND p.id < q.id;

CREATE SINK kept WITH ('connector' = 'filesystem', 'path' = 'out/kept.ndjson', 'format' = 'json') AS
SELECT id, a + FIRST_VALUE(x) AS first_later, a + MAX(x) AS most_later FROM spans GROUP BY id, a;
