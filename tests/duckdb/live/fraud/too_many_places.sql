SELECT user_id, start + INTERVAL 1 HOUR AS window_end, COUNT(DISTINCT place) AS places, 5 AS most
FROM (SELECT user_id, place, unnest(generate_series(time_bucket(INTERVAL 1 MINUTE, ts) - INTERVAL 59 MINUTE, time_bucket(INTERVAL 1 MINUTE, ts), INTERVAL 1 MINUTE)) AS start
      FROM (SELECT DISTINCT user_id, place, time_bucket(INTERVAL 1 MINUTE, ts) AS ts FROM events))
GROUP BY ALL HAVING places > 5
