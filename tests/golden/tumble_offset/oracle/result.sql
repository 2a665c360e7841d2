-- accepted: clicks = input.ndjson, ts, 5000, 0

SELECT epoch_ms(s) AS window_start, epoch_ms(s + 60000) AS window_end, epoch_ms(s + 59999) AS window_time, COUNT(*) AS n
FROM (SELECT floor((epoch_ms(ts) - 15000) / 60000)::BIGINT * 60000 + 15000 AS s FROM clicks) GROUP BY ALL
