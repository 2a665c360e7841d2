-- accepted: clicks = input.ndjson, ts, 5000, 0

SELECT "user", page, epoch_ms(s + 20000) AS window_end, COUNT(*) AS n, SUM(ms) AS total
FROM (SELECT *, floor(epoch_ms(ts) / 20000)::BIGINT * 20000 AS s FROM clicks) GROUP BY s, ROLLUP ("user", page)
