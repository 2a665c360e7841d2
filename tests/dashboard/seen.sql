-- Two kinds of alert, and rows on which an expression fails.
CREATE SOURCE events (kind VARCHAR, n BIGINT, text VARCHAR, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '1' SECOND)
WITH ('connector' = 'http', 'format' = 'json');

CREATE VIEW totals AS SELECT kind, SUM(n) AS total FROM events GROUP BY kind;

CREATE MATERIALIZED VIEW high WITH ('alert' = 'high') AS SELECT kind, total FROM totals WHERE total > 100;

CREATE MATERIALIZED VIEW below WITH ('alert' = 'low') AS SELECT kind, total FROM totals WHERE total < 0;

CREATE MATERIALIZED VIEW parsed AS SELECT kind, MAX(CAST(text AS INT)) AS most FROM events GROUP BY kind;

CREATE SINK kept WITH ('connector' = 'blackhole') AS SELECT kind, CAST(text AS INT) AS number FROM events;

CREATE MATERIALIZED VIEW sums AS SELECT kind, total FROM totals;
