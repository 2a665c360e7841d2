-- accepted: clicks = clicks.ndjson, ts, 5000, 0
-- accepted: taps = taps.ndjson, ts, 5000, 0
SELECT CAST(FLOOR(ms / 20) AS INT) AS tens FROM clicks EXCEPT ALL SELECT CAST(FLOOR(ms / 20) AS BIGINT) FROM taps
