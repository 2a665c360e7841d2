-- A text beside a time is read as that type of time: rows beyond the year 2262, where nanoseconds end, are compared like others.
CREATE SOURCE s (k INT, u TIMESTAMP(3), ts TIMESTAMP(3), WATERMARK FOR ts AS ts)
WITH ('connector' = 'filesystem', 'path' = 'rows.csv', 'format' = 'csv');

CREATE SINK compared WITH ('connector' = 'filesystem', 'path' = 'out/compared.ndjson', 'format' = 'json') AS
SELECT k, u > '2024-01-01 00:00:00' AS later, u BETWEEN '2024-07-01' AND '9999-12-31' AS inside,
       u IN ('1500-01-01', '2024-07-01 12:00:00') AS one_of, '2024-07-01 12:00:00' = u AS equal
FROM s;

-- Functions reach as far, and what would be beyond all times fails.
CREATE SINK moved WITH ('connector' = 'filesystem', 'path' = 'out/moved.ndjson', 'format' = 'json') AS
SELECT k, DATE_BIN(INTERVAL '15' MINUTE, u) AS quarter, DATE_BIN(INTERVAL '1' MONTH, u) AS first_of, DATE_BIN(INTERVAL '7' DAY, u, TIMESTAMP '2024-01-01 00:00:00') AS monday,
       CAST(u AS DATE) + TIME '10:00:00' AS at_ten, ARRAY[CAST(u AS DATE), u] AS both, MAP['a', CAST(u AS DATE), 'b', u]['a'] AS of_map,
       NVL2(k, u, CAST(u AS DATE)) AS there, ELT(2, CAST(u AS DATE), u) AS second_of, COALESCE(u - ts, INTERVAL '0' SECOND) > INTERVAL '1' DAY AS apart,
       FLOOR(u TO HOUR) AS floored, CEIL(u TO DAY) AS ceiled, TIMESTAMPADD(DAY, 1, u) AS next_day
FROM s;

CREATE SINK beyond WITH ('connector' = 'filesystem', 'path' = 'out/beyond.ndjson', 'format' = 'json') AS
SELECT k, TIMESTAMPADD(YEAR, k * 100000000, u) AS later FROM s;
