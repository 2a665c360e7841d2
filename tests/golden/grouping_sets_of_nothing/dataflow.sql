-- The set without keys, `()`, is a grouping without keys: one row always, before the first row of the input and after its last was
-- taken back. HAVING is asked about that row too. GROUPING_ID is GROUPING of several keys.
CREATE SOURCE levels (k VARCHAR, g VARCHAR, v BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts)
WITH ('connector' = 'filesystem', 'path' = 'levels.ndjson', 'format' = 'json');

-- What is there now: the last of each key, if it is above 0. Nothing, some, nothing again.
CREATE VIEW now AS
SELECT k, g, v, ts FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY ts DESC) AS r FROM levels) x WHERE r = 1 AND v > 0;

CREATE SINK rolled WITH ('connector' = 'filesystem', 'path' = 'out/rolled.ndjson', 'format' = 'json') AS
SELECT k, g, COUNT(*) AS n, SUM(v) AS total, GROUPING_ID(k, g) AS id, GROUPING(k) AS gk FROM now GROUP BY ROLLUP (k, g);
CREATE SINK cubed WITH ('connector' = 'filesystem', 'path' = 'out/cubed.ndjson', 'format' = 'json') AS
SELECT k, g, COUNT(*) AS n, MAX(v) FILTER (WHERE g = 'x') AS most FROM now GROUP BY CUBE (k, g);
CREATE SINK twice WITH ('connector' = 'filesystem', 'path' = 'out/twice.ndjson', 'format' = 'json') AS
SELECT g, COUNT(*) AS n, COUNT(DISTINCT k) AS ks FROM now GROUP BY GROUPING SETS ((), (g), ());
CREATE SINK alone WITH ('connector' = 'filesystem', 'path' = 'out/alone.ndjson', 'format' = 'json') AS
SELECT COUNT(*) AS n, SUM(v) AS total FROM now GROUP BY GROUPING SETS (());
CREATE SINK keyless WITH ('connector' = 'filesystem', 'path' = 'out/keyless.ndjson', 'format' = 'json') AS
SELECT 'all' AS what, AVG(v) AS mean FROM now GROUP BY ();
CREATE SINK one WITH ('connector' = 'filesystem', 'path' = 'out/one.ndjson', 'format' = 'json') AS
SELECT 1 AS one FROM now GROUP BY ();

-- Of rows that never are.
CREATE SINK never WITH ('connector' = 'filesystem', 'path' = 'out/never.ndjson', 'format' = 'json') AS
SELECT k, COUNT(*) AS n, GROUPING(k) AS id FROM levels WHERE v > 100 GROUP BY ROLLUP (k);
CREATE SINK never_in_windows WITH ('connector' = 'filesystem', 'path' = 'out/never_in_windows.ndjson', 'format' = 'json') AS
SELECT window_end, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE levels, DESCRIPTOR(ts), INTERVAL '2' SECOND)) WHERE v > 2 GROUP BY ROLLUP (window_end);

-- HAVING of a grouping without keys, and of the set without keys.
CREATE SINK not_one WITH ('connector' = 'filesystem', 'path' = 'out/not_one.ndjson', 'format' = 'json') AS
SELECT COUNT(*) AS n FROM now HAVING FALSE;
CREATE SINK not_any WITH ('connector' = 'filesystem', 'path' = 'out/not_any.ndjson', 'format' = 'json') AS
SELECT k, COUNT(*) AS n FROM now GROUP BY ROLLUP (k) HAVING 1 = 2;
CREATE SINK around WITH ('connector' = 'filesystem', 'path' = 'out/around.ndjson', 'format' = 'json') AS
SELECT * FROM (SELECT COUNT(*) AS n, 1 AS one FROM now) x WHERE 1 = 2;
CREATE SINK empty WITH ('connector' = 'filesystem', 'path' = 'out/empty.ndjson', 'format' = 'json') AS
SELECT 'nothing' AS what FROM now HAVING COUNT(*) = 0;
CREATE SINK some WITH ('connector' = 'filesystem', 'path' = 'out/some.ndjson', 'format' = 'json') AS
SELECT k, SUM(v) AS total FROM now GROUP BY CUBE (k) HAVING COUNT(*) > 0;
