SELECT bidder, COUNT(*) AS bid_count, MIN("dateTime") AS starttime, MAX("dateTime") + INTERVAL 10 SECOND AS endtime
FROM (SELECT *, SUM(opens) OVER (PARTITION BY bidder ORDER BY "dateTime" ROWS UNBOUNDED PRECEDING) AS session
      FROM (SELECT *, CASE WHEN "dateTime" - LAG("dateTime") OVER (PARTITION BY bidder ORDER BY "dateTime") <= INTERVAL 10 SECOND
                           THEN 0 ELSE 1 END AS opens FROM bid))
GROUP BY bidder, session
