-- Nexmark q20, expand bid with auction: the bids on auctions of category 10, with all that is known of those.
--
--   highwater run dataflows/nexmark/q20.sql --exit-at-end --no-serve
--
-- The sink takes the result and forgets it; write 'print' for 'blackhole' to see it.

CREATE TABLE bid (
  WATERMARK FOR `dateTime` AS `dateTime` - INTERVAL '4' SECOND
) WITH ('connector' = 'nexmark', 'table' = 'bid', 'events.num' = '1000000');

CREATE TABLE auction (
  WATERMARK FOR `dateTime` AS `dateTime` - INTERVAL '4' SECOND
) WITH ('connector' = 'nexmark', 'table' = 'auction', 'events.num' = '1000000');

CREATE SINK q20 WITH ('connector' = 'blackhole') AS
SELECT B.auction, B.bidder, B.price, B.channel, B.url, B.`dateTime` AS bid_dateTime, B.extra AS bid_extra,
       A.itemName, A.description, A.initialBid, A.reserve, A.`dateTime` AS auction_dateTime, A.expires, A.seller,
       A.category, A.extra AS auction_extra
FROM bid AS B INNER JOIN auction AS A ON B.auction = A.id
WHERE A.category = 10;

-- test: bids on auctions of category 10, whichever came first
-- input bid
--   auction | bidder | price | dateTime
--   1       | 7      | 100   | 2026-01-01 12:00:01
--   2       | 7      | 200   | 2026-01-01 12:00:01
-- expect q20
-- input auction
--   id | itemName | category | dateTime
--   1  | lamp     | 10       | 2026-01-01 12:00:01
--   2  | chair    | 11       | 2026-01-01 12:00:01
-- input bid
--   auction | bidder | price | dateTime
--   1       | 8      | 300   | 2026-01-01 12:00:02
-- expect q20
--   auction | bidder | price | bid_dateTime        | itemName | category
--   1       | 7      | 100   | 2026-01-01 12:00:01 | lamp     | 10
--   1       | 8      | 300   | 2026-01-01 12:00:02 | lamp     | 10
