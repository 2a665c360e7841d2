-- accepted: clicks = input.ndjson, ts, 5000, 20000

SELECT window_start, window_end, page, n, RANK() OVER (PARTITION BY window_start ORDER BY n DESC) AS place FROM (SELECT page, epoch_ms(floor(epoch_ms(ts) / 10000)::BIGINT * 10000) AS window_start, epoch_ms(floor(epoch_ms(ts) / 10000)::BIGINT * 10000 + 10000) AS window_end, COUNT(*) AS n FROM clicks GROUP BY ALL) QUALIFY place <= 2
