-- A text beside a time is read as that type of time: rows beyond the year 2262, where nanoseconds end, are compared like others.
CREATE SOURCE s (k INT, u TIMESTAMP(3), ts TIMESTAMP(3), WATERMARK FOR ts AS ts)
WITH ('connector' = 'filesystem', 'path' = 'rows.csv', 'format' = 'csv');

CREATE SINK compared WITH ('connector' = 'filesystem', 'path' = 'out/compared.ndjson', 'format' = 'json') AS
SELECT k, u > '2024-01-01 00:00:00' AS later, u BETWEEN '2024-07-01' AND '9999-12-31' AS inside,
       u IN ('1500-01-01', '2024-07-01 12:00:00') AS one_of, '2024-07-01 12:00:00' = u AS equal
FROM s;
