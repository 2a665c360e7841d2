-- Functions of DOUBLEs are IEEE 754's: NaN where there is no number, an infinity beyond the numbers. No row fails.
CREATE SOURCE s (x DOUBLE, y DOUBLE, d DECIMAL(10, 2), j STRING)
WITH ('connector' = 'filesystem', 'path' = 'input.ndjson', 'format' = 'json');

CREATE SINK result WITH ('connector' = 'filesystem', 'path' = 'out/result.ndjson', 'format' = 'json') AS
SELECT x, y, SQRT(x) AS root, POWER(x, y) AS power, POW(y, x) AS pow, LN(x) AS ln, LOG10(x) AS log10, LOG2(x) AS log2, LOG(x, y) AS log,
  ASIN(y) AS asin, ACOS(y) AS acos, EXP(y * 1000) AS exp, x / y AS quotient, MOD(x, y) AS modulo, COT(x) AS cot, SQRT(d) AS of_decimal,
  JSON_VALUE(j, '$.a' RETURNING DOUBLE) AS json, JSON_VALUE(j, '$.a' RETURNING DOUBLE DEFAULT -1 ON ERROR) AS otherwise
FROM s;

CREATE SINK strict WITH ('connector' = 'filesystem', 'path' = 'out/strict.ndjson', 'format' = 'json') AS
SELECT JSON_VALUE(j, '$.a' RETURNING DOUBLE ERROR ON ERROR) AS json FROM s;
