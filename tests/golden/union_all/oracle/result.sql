-- accepted: clicks = input.ndjson, ts, 5000, 0
-- accepted: taps = taps.ndjson, ts, 5000, 0

SELECT kind, epoch_ms(floor(epoch_ms(ts) / 10000)::BIGINT * 10000 + 10000) AS window_end, COUNT(*) AS n, SUM(ms) AS total
FROM (SELECT 'click' AS kind, ts, ms FROM clicks UNION ALL SELECT 'tap', ts, ms FROM taps) GROUP BY 1, 2
