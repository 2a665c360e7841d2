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
