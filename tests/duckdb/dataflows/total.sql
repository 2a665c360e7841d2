-- accepted: meters = dataflows/data/meters.ndjson, ts, 3000, 60000
SELECT time_bucket(INTERVAL 20 SECOND, ts) + INTERVAL 20 SECOND AS window_end, COUNT(DISTINCT meter) AS meters, SUM(kwh) AS kwh
FROM meters GROUP BY window_end
