-- accepted: clicks = dataflows/data/clicks.ndjson, ts, 5000, 0
SELECT window_start, window_start + INTERVAL 5 MINUTE AS window_end, RANK() OVER (PARTITION BY window_start ORDER BY views DESC) AS place, page, views
FROM (SELECT page, time_bucket(INTERVAL 5 MINUTE, ts) AS window_start, COUNT(*) AS views FROM clicks WHERE page LIKE '/product/%' GROUP BY ALL)
QUALIFY place <= 2
