-- accepted: clicks = input.ndjson, ts, 5000, 0

SELECT epoch_ms(floor(s / 20000)::BIGINT * 20000) AS window_start, epoch_ms(floor(s / 20000)::BIGINT * 20000 + 20000) AS window_end, MAX(n) AS busiest, SUM(n)::BIGINT AS n, COUNT(*) AS rows_of_pages
FROM (SELECT page, floor(epoch_ms(ts) / 5000)::BIGINT * 5000 AS s, COUNT(*) AS n FROM clicks GROUP BY 1, 2) GROUP BY 1, 2
