-- accepted: clicks = dataflows/data/clicks.ndjson, ts, 5000, 0
SELECT page, window_end, requests, usual FROM (
  SELECT page, window_end, requests, AVG(requests) OVER (PARTITION BY page ORDER BY window_end ROWS BETWEEN 10 PRECEDING AND 1 PRECEDING) AS usual
  FROM (SELECT page, time_bucket(INTERVAL 30 SECOND, ts) + INTERVAL 30 SECOND AS window_end, COUNT(*) AS requests FROM clicks GROUP BY ALL))
WHERE requests > 1.5 * usual AND requests >= 5
