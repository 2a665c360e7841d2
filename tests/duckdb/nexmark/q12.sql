SELECT bidder, COUNT(*) AS bid_count, time_bucket(INTERVAL 10 SECOND, p_time) AS starttime, starttime + INTERVAL 10 SECOND AS endtime
FROM bid GROUP BY ALL
