-- accepted: clicks = input.ndjson, ts, 5000, 0

SELECT epoch_ms(s) AS window_start, epoch_ms(s + 5000) AS window_end, COUNT(*) AS n
FROM (SELECT floor(epoch_ms(ts) / 5000)::BIGINT * 5000 AS s FROM clicks) GROUP BY ALL
