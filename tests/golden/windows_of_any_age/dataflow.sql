-- Windows by a time that is computed, of rows that come when another row lets them, however old they are: no window is closed to them.
CREATE SOURCE orders (id INT, k INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts)
WITH ('connector' = 'filesystem', 'path' = 'orders.csv', 'format' = 'csv');

CREATE SOURCE paid (k INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts)
WITH ('connector' = 'filesystem', 'path' = 'paid.csv', 'format' = 'csv');

CREATE VIEW due AS
SELECT id, k, ts + INTERVAL '1' HOUR AS due, FLOOR(ts TO MINUTE) AS since FROM orders o WHERE EXISTS (SELECT 1 FROM paid p WHERE p.k = o.k);

CREATE SINK by_hour WITH ('connector' = 'filesystem', 'path' = 'out/by_hour.ndjson', 'format' = 'json') AS
SELECT window_start, COUNT(*) AS n, SUM(id) AS ids FROM TABLE(TUMBLE(TABLE due, DESCRIPTOR(due), INTERVAL '1' HOUR)) GROUP BY window_start, window_end;

CREATE SINK by_session WITH ('connector' = 'filesystem', 'path' = 'out/by_session.ndjson', 'format' = 'json') AS
SELECT window_start, window_end, COUNT(*) AS n FROM TABLE(SESSION(TABLE due, DESCRIPTOR(since), INTERVAL '10' MINUTE)) GROUP BY window_start, window_end;

CREATE SINK before WITH ('connector' = 'filesystem', 'path' = 'out/before.ndjson', 'format' = 'json') AS
SELECT id, due, LAG(id) OVER (ORDER BY due) AS before FROM due;
