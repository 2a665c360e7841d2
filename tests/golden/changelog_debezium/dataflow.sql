-- Changes as Debezium tells them: with a key what a row is by now is enough, without one also what it was (K1 to K3).
CREATE SOURCE by_key (id INT, region VARCHAR, balance DECIMAL(10, 2), PRIMARY KEY (id) NOT ENFORCED)
WITH ('connector' = 'filesystem', 'path' = 'input.ndjson', 'format' = 'debezium-json');

CREATE SOURCE whole (id INT, region VARCHAR, balance DECIMAL(10, 2))
WITH ('connector' = 'filesystem', 'path' = 'input.ndjson', 'format' = 'debezium-json');

CREATE SINK by_key_totals WITH ('connector' = 'filesystem', 'path' = 'out/by_key.ndjson', 'format' = 'json') AS
SELECT region, COUNT(*) AS n, SUM(balance) AS total FROM by_key GROUP BY region;

CREATE SINK whole_totals WITH ('connector' = 'filesystem', 'path' = 'out/whole.ndjson', 'format' = 'json') AS
SELECT region, COUNT(*) AS n, SUM(balance) AS total FROM whole GROUP BY region;

CREATE SINK differs WITH ('connector' = 'filesystem', 'path' = 'out/differs.ndjson', 'format' = 'json') AS
SELECT id FROM (SELECT * FROM by_key EXCEPT SELECT * FROM whole);
