-- accepted: clicks = input.ndjson, ts, 5000, 0

SELECT page, nth, ms, ts FROM (SELECT page, ms, ts, ROW_NUMBER() OVER (PARTITION BY page ORDER BY ms DESC NULLS LAST, ts, position) AS nth FROM clicks) WHERE nth <= 3
