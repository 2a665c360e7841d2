-- accepted: clicks = clicks.ndjson, ts, 5000, 0
-- accepted: taps = taps.ndjson, ts, 5000, 0
(SELECT "user" FROM clicks UNION SELECT "user" FROM taps) EXCEPT SELECT "user" FROM taps WHERE ms > 2
