-- accepted: clicks = input.ndjson, ts, 5000, 0

SELECT epoch_ms(floor(epoch_ms(ts) / 15000)::BIGINT * 15000) AS window_start, COUNT(*) AS n, COUNT(ms) AS n_ms,
  COUNT(DISTINCT page) AS pages, SUM(ms) AS s, AVG(ms) AS a, MIN(ms) AS lo, MAX(ms) AS hi, MIN(page) AS first_page,
  STDDEV_POP(ms) AS sdp, STDDEV_SAMP(ms) AS sds, VAR_POP(ms) AS vp, VAR_SAMP(ms) AS vs, MEDIAN(ms) AS med,
  QUANTILE_CONT(ms, 0.9) AS p90, FIRST(page ORDER BY ts, position) AS first_seen, LAST(page ORDER BY ts, position) AS last_seen,
  ARRAY_AGG(page ORDER BY ts, position) AS trail, STRING_AGG(page, '>' ORDER BY ts, position) AS path,
  BOOL_AND(ms > 100) AS all_slow, BOOL_OR(ms > 900) AS any_slow
FROM clicks GROUP BY 1
