-- accepted: clicks = input.ndjson, ts, 5000, 0

SELECT epoch_ms(s) AS window_start, epoch_ms(e) AS window_end, COUNT(*) AS n, SUM(ms) AS total, MIN(ms) AS low, MAX(ms) AS high, AVG(ms) AS mean
FROM (SELECT *, floor(epoch_ms(ts) / 20000)::BIGINT * 20000 AS s, s + k * 5000 AS e FROM clicks, (SELECT unnest(range(1, 5)) AS k))
WHERE epoch_ms(ts) < e GROUP BY ALL
