-- accepted: clicks = input.ndjson, ts, 5000, 0

SELECT page, window_end, n, AVG(n) OVER (PARTITION BY page ORDER BY window_end ROWS BETWEEN 2 PRECEDING AND 1 PRECEDING) AS usual
FROM (SELECT page, epoch_ms(floor(epoch_ms(ts) / 5000)::BIGINT * 5000 + 5000) AS window_end, COUNT(*) AS n FROM clicks GROUP BY ALL)
