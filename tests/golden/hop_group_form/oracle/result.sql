-- accepted: clicks = input.ndjson, ts, 5000, 0

SELECT "user", epoch_ms(s) AS window_start, epoch_ms(s + 15000) AS window_end, COUNT(*) AS n, SUM(ms) AS total, MIN(ms) AS low, MAX(ms) AS high, AVG(ms) AS mean
FROM (SELECT *, (floor((epoch_ms(ts) - 0) / 5000)::BIGINT - k) * 5000 + 0 AS s
      FROM clicks, (SELECT unnest(range(3)) AS k))
WHERE s <= epoch_ms(ts) AND s > epoch_ms(ts) - 15000 GROUP BY ALL
