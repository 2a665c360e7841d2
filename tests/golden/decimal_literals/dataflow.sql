-- A literal with a decimal point is a DECIMAL of its own digits beside a DECIMAL, and a DOUBLE elsewhere.
CREATE SOURCE s (d DECIMAL(10, 2), x DOUBLE, n INT)
WITH ('connector' = 'filesystem', 'path' = 'input.ndjson', 'format' = 'json');

CREATE SINK result WITH ('connector' = 'filesystem', 'path' = 'out/result.ndjson', 'format' = 'json') AS
SELECT d, d * 1.1 AS times, 1.10 * d AS with_zero, d + 0.005 AS plus, 1.5 - d AS minus, d / 1.5 AS over, d % 1.1 AS modulo, MOD(d, 0.3) AS mod_of, d * -1.1 AS negative,
  d > 1.1 AS more, d = 1.10 AS same, d IN (1.1, 2.5) AS one_of, d BETWEEN 1.10 AND 2.5 AS inside, d IS DISTINCT FROM 1.1 AS other,
  CASE WHEN n > 1 THEN d ELSE 0.125 END AS chosen, CASE WHEN n > 1 THEN 0.125 ELSE d END AS turned, CASE d WHEN 1.1 THEN 'a' ELSE 'b' END AS named,
  COALESCE(d, 0.0) AS there, COALESCE(d, 0.0) * 1.1 AS of_there, NULLIF(d, 1.1) AS none, GREATEST(d, 1.105) AS greatest, IF(n > 1, d, 0.5) AS if_of,
  d * (1 + 0.1) AS of_doubles, d * x * 1.1 AS of_double, x * 1.1 AS double_of, n * 1.1 AS int_of, 1.1 AS alone, 1.1 + 2.2 AS alone_both, d * 1.1e0 AS with_exponent
FROM s;

CREATE SINK totals WITH ('connector' = 'filesystem', 'path' = 'out/totals.ndjson', 'format' = 'json') AS
SELECT n, SUM(d * 1.19) AS gross, SUM(CASE WHEN d > 1.5 THEN d ELSE 0.25 END) AS some, SUM(d) * 0.5 AS half FROM s GROUP BY n HAVING SUM(d) > 0.5;

-- No type holds both sides: 38 digits before the point, and places behind it.
CREATE SOURCE wide (h DECIMAL(38, 0), g DECIMAL(38, 10), a DECIMAL(25, 13), b DECIMAL(23, 14), d DECIMAL(10, 2))
WITH ('connector' = 'filesystem', 'path' = 'wide.ndjson', 'format' = 'json');

CREATE SINK wide_result WITH ('connector' = 'filesystem', 'path' = 'out/wide_result.ndjson', 'format' = 'json') AS
SELECT h, h > 0.5 AS more, 0.5 < h AS turned, h < 7.5 AS less, h = 7.0 AS same, h = 7.5 AS never, h <> 7.5 AS always, h IN (7.0, 7.5) AS one_of, h NOT IN (7.5) AS none_of,
  h BETWEEN 6.5 AND 7.5 AS inside, h NOT BETWEEN 7.5 AND 8.5 AS outside, g > 0.12345678901 AS g_more, h IS DISTINCT FROM 7.5 AS other,
  a * CASE WHEN d > 5 THEN d ELSE b END AS chosen, d * +1.10 AS plus,
  g * CASE WHEN d > 5 THEN 1 ELSE d END AS first_whole, g / CASE WHEN d > 5 THEN 1 ELSE 0.5 END AS first_whole_then_double, h * CASE WHEN d > 5 THEN CAST(1 AS TINYINT) ELSE 1000 END AS wider,
  g * -CASE WHEN d > 5 THEN 1 ELSE d END AS minus_first,
  CAST(12345678901234567890.5 AS DECIMAL(38, 1)) AS written, d = CAST(1.2300000000000000001 AS DECIMAL(38, 19)) AS near, CAST(1.005 AS DECIMAL(10, 2)) AS rounded
FROM wide;
