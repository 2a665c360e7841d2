-- Several rows that come of one row of a source have its event time and its number: which is first is told by their columns, whatever
-- the branch of a union, or the place in an array, they come from.
CREATE TABLE t (k STRING, v BIGINT, items ARRAY<BIGINT>, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '2' SECOND)
WITH ('connector' = 'filesystem', 'path' = 'rows.ndjson', 'format' = 'json');

CREATE VIEW both AS SELECT k, v, ts FROM t UNION ALL SELECT k, -v, ts FROM t UNION ALL SELECT k, 2 * v, ts FROM t WHERE v > 0;

CREATE SINK first WITH ('connector' = 'filesystem', 'path' = 'out/first.ndjson', 'format' = 'json') AS
SELECT k, v FROM (SELECT k, v, ROW_NUMBER() OVER (PARTITION BY k ORDER BY ts) AS n FROM both) WHERE n <= 2;

CREATE SINK last WITH ('connector' = 'filesystem', 'path' = 'out/last.ndjson', 'format' = 'json') AS
SELECT k, v FROM (SELECT k, v, ROW_NUMBER() OVER (PARTITION BY k ORDER BY ts DESC) AS n FROM both) WHERE n <= 1;

CREATE SINK windows WITH ('connector' = 'filesystem', 'path' = 'out/windows.ndjson', 'format' = 'json') AS
SELECT k, v, window_end FROM (
  SELECT k, v, window_end, ROW_NUMBER() OVER (PARTITION BY k, window_start, window_end ORDER BY ts) AS n
  FROM TABLE(TUMBLE(TABLE both, DESCRIPTOR(ts), INTERVAL '10' SECOND))
) WHERE n <= 1;

CREATE SINK items WITH ('connector' = 'filesystem', 'path' = 'out/items.ndjson', 'format' = 'json') AS
SELECT k, item FROM (
  SELECT k, item, ROW_NUMBER() OVER (PARTITION BY k ORDER BY ts) AS n FROM t CROSS JOIN UNNEST(items) AS i (item)
) WHERE n <= 2;
