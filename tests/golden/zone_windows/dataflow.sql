-- Rankings, joins and versions over windows and instants of a zone, by arrival too, on the day its clocks are put forward.
SET 'table.local-time-zone' = 'America/New_York';
CREATE SOURCE s (k VARCHAR, n BIGINT, ts TIMESTAMP_LTZ(3), r ROW<at TIMESTAMP_LTZ(3), l ARRAY<TIMESTAMP_LTZ(3)>>, p AS PROCTIME(), WATERMARK FOR ts AS ts)
WITH ('connector' = 'filesystem', 'path' = 'input.ndjson', 'format' = 'json', 'arrival.rate' = '1', 'arrival.start' = '2024-03-10T06:59:58Z');
CREATE SINK cs WITH ('connector' = 'filesystem', 'path' = 'out/o.csv', 'format' = 'csv') AS
SELECT k, ts, p, CAST(ts AS TIMESTAMP(3)) AS l FROM s;
CREATE SINK pr WITH ('connector' = 'filesystem', 'path' = 'out/p.ndjson', 'format' = 'json') AS
SELECT window_start, window_end, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE s, DESCRIPTOR(p), INTERVAL '1' DAY)) GROUP BY window_start, window_end;
CREATE SINK top WITH ('connector' = 'filesystem', 'path' = 'out/top.ndjson', 'format' = 'json') AS
SELECT * FROM (SELECT k, n, window_start, window_end, ROW_NUMBER() OVER (PARTITION BY window_start, window_end ORDER BY n DESC) AS rn FROM TABLE(HOP(TABLE s, DESCRIPTOR(ts), INTERVAL '12' HOUR, INTERVAL '1' DAY))) WHERE rn <= 1;
CREATE SINK jn WITH ('connector' = 'filesystem', 'path' = 'out/jn.ndjson', 'format' = 'json') AS
SELECT a.k, a.window_end, a.n, b.m FROM (SELECT k, window_start, window_end, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE s, DESCRIPTOR(ts), INTERVAL '1' DAY)) GROUP BY k, window_start, window_end) a JOIN (SELECT k, window_start, window_end, MAX(n) AS m FROM TABLE(TUMBLE(TABLE s, DESCRIPTOR(ts), INTERVAL '1' DAY)) GROUP BY k, window_start, window_end) b ON a.k = b.k AND a.window_start = b.window_start AND a.window_end = b.window_end;
CREATE TABLE ver (k VARCHAR, n BIGINT, t2 TIMESTAMP_LTZ(3), PRIMARY KEY (k), WATERMARK FOR t2 AS t2) WITH ('connector' = 'filesystem', 'path' = 'versions.ndjson', 'format' = 'json');
CREATE SINK asof WITH ('connector' = 'filesystem', 'path' = 'out/asof.ndjson', 'format' = 'json') AS
SELECT s.k, s.ts, v.n, v.t2 FROM s JOIN ver FOR SYSTEM_TIME AS OF s.ts AS v ON s.k = v.k;
CREATE SINK nested WITH ('connector' = 'filesystem', 'path' = 'out/nested.ndjson', 'format' = 'json') AS
SELECT r, r.at AS at, CAST(r.at AS TIMESTAMP(3)) AS w, COUNT(DISTINCT ts) AS d, LAST_VALUE(ts) AS lv, ARRAY_AGG(ts) AS aa FROM s GROUP BY r;
