SELECT time_bucket(INTERVAL 10 SECOND, "dateTime") AS window_start, window_start + INTERVAL 10 SECOND AS window_end, MAX(price) AS max_price
FROM bid GROUP BY ALL
