-- Rows are put in the place of those with their key, or take them out, whichever file brings them (K2): by event time, then by file.
-- What is put in the place of another row takes that one back, however old it is (K4).
CREATE SOURCE accounts (
  id INT, region VARCHAR, balance DOUBLE, ts TIMESTAMP(3), twice AS balance * 2,
  PRIMARY KEY (id) NOT ENFORCED,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'in/', 'format' = 'csv', 'changelog' = 'upsert', 'changelog.op' = 'kind');

CREATE SINK accounts_now WITH ('connector' = 'filesystem', 'path' = 'out/accounts.ndjson', 'format' = 'json') AS
SELECT * FROM accounts;

CREATE SINK regions WITH ('connector' = 'filesystem', 'path' = 'out/regions.ndjson', 'format' = 'json') AS
SELECT region, COUNT(*) AS n, SUM(balance) AS total FROM accounts GROUP BY region;

CREATE SINK windows WITH ('connector' = 'filesystem', 'path' = 'out/windows.ndjson', 'format' = 'json') AS
SELECT window_start, COUNT(*) AS n, SUM(balance) AS total
FROM TABLE(TUMBLE(TABLE accounts, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY window_start, window_end;

CREATE SINK others WITH ('connector' = 'filesystem', 'path' = 'out/others.ndjson', 'format' = 'json') AS
SELECT a.id AS one, b.id AS other FROM accounts a JOIN accounts b ON a.region = b.region WHERE a.id < b.id;
