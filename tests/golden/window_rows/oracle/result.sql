-- accepted: clicks = input.ndjson, ts, 5000, 0

SELECT "user", ms, ts, epoch_ms(s) AS window_start, epoch_ms(s + 10000) AS window_end, epoch_ms(s + 9999) AS window_time
FROM (SELECT *, (floor(epoch_ms(ts) / 5000)::BIGINT - k) * 5000 AS s FROM clicks, (SELECT unnest(range(2)) AS k)) WHERE ms > 500
