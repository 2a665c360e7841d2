SELECT B.auction, B.price, B.bidder, B."dateTime", B.extra
FROM bid B JOIN (
  SELECT MAX(price) AS maxprice, time_bucket(INTERVAL 10 SECOND, "dateTime") + INTERVAL 10 SECOND AS closed FROM bid GROUP BY closed
) M ON B.price = M.maxprice AND B."dateTime" BETWEEN M.closed - INTERVAL 10 SECOND AND M.closed
