-- DECIMALs are rounded half away from zero, once, in a quotient, a product and a mean, of columns and of literals; the types are
-- Flink's. A result beyond its type and a division by zero are failing rows; so is a sum of 38 digits that needs one more.
CREATE SOURCE prices (k VARCHAR, d DECIMAL(10, 2), e DECIMAL(5, 3), big DECIMAL(38, 20), n INT, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts) WITH ('connector' = 'filesystem', 'path' = 'prices.ndjson', 'format' = 'json');

CREATE SINK quotients WITH ('connector' = 'filesystem', 'path' = 'out/quotients.ndjson', 'format' = 'json') AS
SELECT k, d / 3 AS third, d / n AS by_n, d / e AS by_e, d * 2 / (e + 1) AS more, 100 / e AS of_one,
  CAST(d / 3 AS DECIMAL(10, 2)) AS cents, d / CAST(NULL AS INT) AS nothing, TRY(d / 0) AS tried FROM prices WHERE n <> 0;

-- Those whose divisor is 0 are dead letters.
CREATE SINK by_nothing WITH ('connector' = 'filesystem', 'path' = 'out/by_nothing.ndjson', 'format' = 'json') AS
SELECT k, d / n AS q FROM prices;

CREATE SINK products WITH ('connector' = 'filesystem', 'path' = 'out/products.ndjson', 'format' = 'json') AS
SELECT k, big * big AS squared, big * d AS by_d, d * e AS small FROM prices;

-- What is 10^18 less its last place has 38 digits, and doubled one more.
CREATE SINK sums WITH ('connector' = 'filesystem', 'path' = 'out/sums.ndjson', 'format' = 'json') AS
SELECT k, big + big AS twice, big - d AS less FROM prices;

CREATE SINK folded WITH ('connector' = 'filesystem', 'path' = 'out/folded.ndjson', 'format' = 'json') AS
SELECT k, CAST(1 AS DECIMAL(10, 2)) / 3 AS third, CAST(-2 AS DECIMAL(10, 2)) / 3 AS thirds, CAST(5 AS DECIMAL(38, 0)) / CAST(8000000 AS DECIMAL(38, 0)) AS half,
  CAST('0.5' AS DECIMAL(38, 20)) * CAST('0.000001' AS DECIMAL(38, 20)) AS half_of_the_last FROM prices WHERE k = 'a';

-- The mean of 1.00, 2.00 and 2.00 is 1.666667, and the other way below 0; a row that is taken back is as if it had not been.
CREATE SINK means WITH ('connector' = 'filesystem', 'path' = 'out/means.ndjson', 'format' = 'json') AS
SELECT COUNT(*) AS n, AVG(d) AS mean, SUM(d) / COUNT(d) AS by_hand, AVG(-d) AS below, AVG(e) AS mean_e FROM prices;
CREATE SINK of_last WITH ('connector' = 'filesystem', 'path' = 'out/of_last.ndjson', 'format' = 'json') AS
SELECT AVG(d) AS mean, AVG(-d) AS below FROM (
  SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY ts DESC) AS r FROM prices) x WHERE r = 1;
CREATE SINK in_windows WITH ('connector' = 'filesystem', 'path' = 'out/in_windows.ndjson', 'format' = 'json') AS
SELECT window_end, AVG(d) AS mean FROM TABLE(HOP(TABLE prices, DESCRIPTOR(ts), INTERVAL '2' SECOND, INTERVAL '4' SECOND)) GROUP BY window_start, window_end;
CREATE SINK in_frames WITH ('connector' = 'filesystem', 'path' = 'out/in_frames.ndjson', 'format' = 'json') AS
SELECT k, ts, AVG(d) OVER (ORDER BY ts ROWS BETWEEN 2 PRECEDING AND CURRENT ROW) AS mean FROM prices;
