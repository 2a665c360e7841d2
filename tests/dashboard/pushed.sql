-- Rows that the test pushes, so that it knows what the page has to show: windows that wait for their end and windows that show
-- every change, groups, an alert.
CREATE SOURCE events (kind VARCHAR, n BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '2' SECOND)
WITH ('connector' = 'http', 'format' = 'json', 'lateness' = '5 s');

CREATE MATERIALIZED VIEW quiet AS
SELECT kind, window_start, window_end, COUNT(*) AS pushes, SUM(n) AS total
FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY kind, window_start, window_end;

CREATE MATERIALIZED VIEW eager AS
SELECT kind, window_start, window_end, COUNT(*) AS pushes, SUM(n) AS total
FROM TABLE(HOP(TABLE events, DESCRIPTOR(ts), INTERVAL '5' SECOND, INTERVAL '10' SECOND)) GROUP BY kind, window_start, window_end
EMIT CHANGES;

CREATE MATERIALIZED VIEW totals AS SELECT kind, COUNT(*) AS pushes, SUM(n) AS total FROM events GROUP BY kind;

CREATE MATERIALIZED VIEW high WITH ('alert' = 'high') AS SELECT kind, total FROM totals WHERE total > 100;
