-- rows: clicks = input.ndjson
SELECT strftime(ts::TIMESTAMP, '%Y-%m-%d %H:%M:%S.%g') AS text, hour(ts::TIMESTAMP) AS h, minute(ts::TIMESTAMP) AS mi, dayofweek(ts::TIMESTAMP) + 1 AS dow,
  date_trunc('hour', ts::TIMESTAMP) AS hour_start, trunc(epoch_ms(ts::TIMESTAMP) / 86400000)::BIGINT AS days,
  ts::TIMESTAMP + INTERVAL 1 MONTH AS next_month, split_part(page, '/', 2) AS part, regexp_extract(page, '/([a-z]+)', 1) AS word,
  CASE WHEN ms > 500 THEN 'slow' ELSE 'fast' END AS pace, CAST(floor(ms) AS BIGINT) % 7 AS m, "user" || '-' || page AS both,
  COALESCE("user", '?') AS who, length(page) AS len, md5(page) AS digest, CASE WHEN ms IS NOT NULL THEN greatest(ms, 100) END AS atleast,
  CASE WHEN page LIKE '/b%' THEN 1 ELSE 0 END AS is_b, substring(page, 2) AS tail, TIMESTAMP '2024-02-29 10:00:00' AS fixed
FROM clicks
