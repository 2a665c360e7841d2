-- accepted: clicks = input.ndjson, ts, 5000, 0

SELECT "user", epoch_ms(floor(epoch_ms(ts) / 20000)::BIGINT * 20000 + 20000) AS window_end, COUNT(*) FILTER (WHERE ms > 500) AS slow,
  SUM(ms) FILTER (WHERE page = '/a') AS on_a, COUNT(DISTINCT page) AS pages,
  COUNT(DISTINCT page) FILTER (WHERE ms > 500) AS slow_pages, SUM(DISTINCT ms) AS kinds
FROM clicks GROUP BY 1, 2
