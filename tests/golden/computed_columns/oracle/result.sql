-- rows: clicks = input.ndjson
SELECT UPPER("user") AS who, epoch_ms(floor(unix / 10)::BIGINT * 10000 + 10000) AS window_end, COUNT(*) AS n, SUM(ms / 1000.0)::DOUBLE AS seconds
FROM clicks GROUP BY 1, 2
