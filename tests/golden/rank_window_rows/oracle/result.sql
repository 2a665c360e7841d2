-- accepted: clicks = input.ndjson, ts, 5000, 0

SELECT window_end, "user", ms, ROW_NUMBER() OVER (PARTITION BY window_end ORDER BY ms DESC NULLS LAST, ts, position) AS nth FROM (SELECT *, epoch_ms(floor(epoch_ms(ts) / 10000)::BIGINT * 10000) AS window_start, epoch_ms(floor(epoch_ms(ts) / 10000)::BIGINT * 10000 + 10000) AS window_end FROM clicks) QUALIFY nth < 3
