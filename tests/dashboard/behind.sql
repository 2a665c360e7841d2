-- More comes than the worker takes: what it has no room for waits in the log of the data directory.
SET 'log.overflow' = '1 GiB';
CREATE SOURCE events (kind VARCHAR, n BIGINT) WITH ('connector' = 'http', 'format' = 'json', 'queue-rows' = '200');
CREATE SOURCE others (kind VARCHAR, n BIGINT) WITH ('connector' = 'http', 'format' = 'json');

CREATE MATERIALIZED VIEW slow AS
SELECT kind, COUNT(*) AS many, MAX(MD5(REPEAT(kind, 100000))) AS hash FROM events GROUP BY kind;
CREATE MATERIALIZED VIEW counted AS SELECT COUNT(*) AS many FROM others;
