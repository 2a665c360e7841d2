-- Scalar functions by their Flink names.
CREATE SOURCE clicks (
  "user" VARCHAR, page VARCHAR, ms DOUBLE, ts TIMESTAMP(3)
) WITH ('connector' = 'filesystem', 'path' = 'input.ndjson', 'format' = 'json');

CREATE SINK result WITH ('connector' = 'filesystem', 'path' = 'out/result.ndjson', 'format' = 'json') AS
SELECT DATE_FORMAT(ts, 'yyyy-MM-dd HH:mm:ss.SSS') AS text, HOUR(ts) AS h, EXTRACT(MINUTE FROM ts) AS mi, DAYOFWEEK(ts) AS dow,
  FLOOR(ts TO HOUR) AS hour_start, TIMESTAMPDIFF(DAY, TIMESTAMP '1970-01-01 00:00:00', ts) AS days,
  TIMESTAMPADD(MONTH, 1, ts) AS next_month, SPLIT_INDEX(page, '/', 1) AS part, REGEXP_EXTRACT(page, '/([a-z]+)', 1) AS word,
  IF(ms > 500, 'slow', 'fast') AS pace, MOD(CAST(ms AS BIGINT), 7) AS m, CONCAT("user", '-', page) AS both,
  COALESCE("user", '?') AS who, CHAR_LENGTH(page) AS len, MD5(page) AS digest, GREATEST(ms, 100) AS atleast,
  CASE WHEN page LIKE '/b%' THEN 1 ELSE 0 END AS is_b, SUBSTRING(page FROM 2) AS tail, TO_TIMESTAMP('2024-02-29 10:00:00') AS fixed
FROM clicks;
