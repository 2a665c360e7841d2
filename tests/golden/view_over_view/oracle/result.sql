-- accepted: clicks = input.ndjson, ts, 5000, 0

SELECT UPPER("user") AS who, epoch_ms(floor(epoch_ms(ts) / 10000)::BIGINT * 10000 + 10000) AS window_end, COUNT(*) AS n, SUM(ms / 1000) AS seconds
FROM clicks WHERE ms > 250 GROUP BY "user", 2 HAVING COUNT(*) > 1
