-- Windows over orders that payments let come and go, however late: closed windows are amended, whatever the epochs' length.
CREATE SOURCE orders (id BIGINT, k BIGINT, n BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH ('connector' = 'filesystem', 'path' = 'orders.ndjson', 'format' = 'json');
CREATE SOURCE paid (id BIGINT, k BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH ('connector' = 'filesystem', 'path' = 'paid.ndjson', 'format' = 'json');

CREATE VIEW settled AS SELECT id, k, n, ts FROM orders o WHERE EXISTS (SELECT 1 FROM paid p WHERE p.id = o.id);
CREATE VIEW owed AS SELECT id, k, n, ts FROM orders o WHERE NOT EXISTS (SELECT 1 FROM paid p WHERE p.id = o.id);
CREATE VIEW busy AS SELECT o.id, o.k, o.n, o.ts FROM orders o CROSS JOIN (SELECT COUNT(*) AS all_paid FROM paid) q WHERE q.all_paid > 2;

CREATE SINK tumbled WITH ('connector' = 'filesystem', 'path' = 'out/tumbled.ndjson', 'format' = 'json') AS
SELECT window_start, COUNT(*) AS orders, SUM(n) AS total FROM TABLE(TUMBLE(TABLE settled, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end;

CREATE SINK hopped WITH ('connector' = 'filesystem', 'path' = 'out/hopped.ndjson', 'format' = 'json') AS
SELECT k, window_start, COUNT(*) AS orders FROM TABLE(HOP(TABLE owed, DESCRIPTOR(ts), INTERVAL '1' MINUTE, INTERVAL '2' MINUTE)) GROUP BY k, window_start, window_end;

CREATE SINK sessions WITH ('connector' = 'filesystem', 'path' = 'out/sessions.ndjson', 'format' = 'json') AS
SELECT k, window_start, window_end, SUM(n) AS total FROM TABLE(SESSION(TABLE busy PARTITION BY k, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY k, window_start, window_end;

CREATE SINK marked WITH ('connector' = 'filesystem', 'path' = 'out/marked.ndjson', 'format' = 'json') AS
SELECT window_start, COUNT(*) AS orders, SUM(CASE WHEN id IN (SELECT id FROM paid) THEN 1 ELSE 0 END) AS settled
FROM TABLE(TUMBLE(TABLE orders, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) x GROUP BY window_start, window_end;

CREATE SINK running WITH ('connector' = 'filesystem', 'path' = 'out/running.ndjson', 'format' = 'json') AS
SELECT id, SUM(n) OVER (PARTITION BY k ORDER BY ts) AS total FROM settled;
