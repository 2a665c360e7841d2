-- accepted: clicks = input.ndjson, ts, 5000, 0

SELECT "user", COUNT(*) AS n, epoch_ms(floor(epoch_ms(ts) / 10000)::BIGINT * 10000 + 10000) AS window_end FROM clicks GROUP BY 1, 3
