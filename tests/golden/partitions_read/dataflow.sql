-- Folders by partition, as this engine and Hive write them: the columns come from the paths. NULL, the empty text and the name of
-- NULL's folder are three values.
CREATE SOURCE sales (
  city VARCHAR, n INT, day DATE, price DECIMAL(6, 2)
) PARTITIONED BY (day, city) WITH ('connector' = 'filesystem', 'path' = 'input', 'format' = 'csv');

CREATE SINK result WITH ('connector' = 'filesystem', 'path' = 'out/result.ndjson', 'format' = 'json') AS
SELECT day, city, COUNT(*) AS lines, SUM(n) AS n, SUM(price) AS price FROM sales GROUP BY day, city;
