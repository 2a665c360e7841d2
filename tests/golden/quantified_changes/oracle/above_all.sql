-- accepted: taps = taps.ndjson, ts, 5000, 0
SELECT k, n, n > ALL (SELECT e.n FROM taps e WHERE e.ts < t.ts) AS above FROM taps t
