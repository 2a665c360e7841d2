-- accepted: clicks = input.ndjson, ts, 5000, 0

SELECT "user", epoch_ms(floor(epoch_ms(ts) / 10000)::BIGINT * 10000) AS window_start, epoch_ms(floor(epoch_ms(ts) / 10000)::BIGINT * 10000 + 10000) AS window_end, COUNT(*) AS n, SUM(ms) AS total, MIN(ms) AS low, MAX(ms) AS high, AVG(ms) AS mean
FROM clicks GROUP BY ALL
