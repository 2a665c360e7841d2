-- accepted: clicks = input.ndjson, ts, 5000, 0

SELECT epoch_ms(s) AS window_start, epoch_ms(s + 10000) AS window_end, epoch_ms(s + 9999) AS window_time, COUNT(*) AS n, SUM(ms) AS total, MIN(ms) AS low, MAX(ms) AS high, AVG(ms) AS mean, MIN(ts) AS first_ts
FROM (SELECT *, floor(epoch_ms(ts) / 10000)::BIGINT * 10000 AS s FROM clicks) GROUP BY ALL
