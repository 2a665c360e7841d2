-- Nexmark q9, winning bids: of every auction the highest bid made in its time, the earlier one of equals.
--
--   highwater run dataflows/nexmark/q9.sql --exit-at-end --no-serve
--
-- The sink takes the result and forgets it; write 'print' for 'blackhole' to see it.

CREATE TABLE auction (
  WATERMARK FOR `dateTime` AS `dateTime` - INTERVAL '4' SECOND
) WITH ('connector' = 'nexmark', 'table' = 'auction', 'events.num' = '1000000');

CREATE TABLE bid (
  WATERMARK FOR `dateTime` AS `dateTime` - INTERVAL '4' SECOND
) WITH ('connector' = 'nexmark', 'table' = 'bid', 'events.num' = '1000000');

CREATE SINK q9 WITH ('connector' = 'blackhole') AS
SELECT id, `itemName`, description, `initialBid`, reserve, `dateTime`, expires, seller, category, extra,
  auction, bidder, price, bid_dateTime, bid_extra
FROM (
  SELECT A.*, B.auction, B.bidder, B.price, B.`dateTime` AS bid_dateTime, B.extra AS bid_extra,
    ROW_NUMBER() OVER (PARTITION BY A.id ORDER BY B.price DESC, B.`dateTime` ASC) AS rownum
  FROM auction A, bid B
  WHERE A.id = B.auction AND B.`dateTime` BETWEEN A.`dateTime` AND A.expires
)
WHERE rownum <= 1;

-- test: the highest bid in the auction's time wins, the earlier one of equals
-- input auction
--   id | itemName | seller | dateTime            | expires
--   1  | lamp     | 7      | 2026-01-01 12:00:00 | 2026-01-01 12:00:20
--   2  | chair    | 7      | 2026-01-01 12:00:00 | 2026-01-01 12:00:20
-- watermark auction 12:00:30
-- input bid
--   auction | bidder | price | dateTime
--   1       | 8      | 100   | 2026-01-01 12:00:01
--   1       | 9      | 200   | 2026-01-01 12:00:04
--   1       | 10     | 900   | 2026-01-01 12:00:21
-- expect changes q9
--   _op    | id | itemName | bidder | price
--   insert | 1  | lamp     | 9      | 200
-- input bid
--   auction | bidder | price | dateTime
--   1       | 11     | 200   | 2026-01-01 12:00:18
--   1       | 8      | 200   | 2026-01-01 12:00:19
-- expect changes q9
-- input bid
--   auction | bidder | price | dateTime
--   1       | 8      | 300   | 2026-01-01 12:00:20
-- expect changes q9
--   _op     | id | itemName | bidder | price
--   retract | 1  | lamp     | 9      | 200
--   insert  | 1  | lamp     | 8      | 300
