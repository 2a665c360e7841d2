-- accepted: clicks = input.ndjson, ts, 5000, 0

SELECT SUBSTRING(page, 2) AS p, epoch_ms(floor(epoch_ms(ts) / 10000)::BIGINT * 10000 + 10000) AS window_end, SUM(ms) / COUNT(*) AS mean,
  CASE WHEN COUNT(*) > 3 THEN 'busy' ELSE 'calm' END AS how, MAX(ms) - MIN(ms) AS spread FROM clicks GROUP BY 1, 2
