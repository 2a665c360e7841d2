-- accepted: clicks = clicks.ndjson, ts, 5000, 0
-- accepted: taps = taps.ndjson, ts, 5000, 0
SELECT time_bucket(INTERVAL 10 SECOND, ts) + INTERVAL 10 SECOND AS window_end, page FROM clicks EXCEPT ALL SELECT time_bucket(INTERVAL 10 SECOND, ts) + INTERVAL 10 SECOND, page FROM taps
