-- Nexmark q23, expand bid with person and auction: the bids of those who sell something too, each beside who made it and
-- every auction that they have opened.
--
--   highwater run dataflows/nexmark/q23.sql --exit-at-end --no-serve
--
-- Sellers are joined with their auctions first: fewer rows are kept than bids beside their bidders would be. The sink takes the
-- result and forgets it; write 'print' for 'blackhole' to see it.

CREATE TABLE person (
  WATERMARK FOR `dateTime` AS `dateTime` - INTERVAL '4' SECOND
) WITH ('connector' = 'nexmark', 'table' = 'person', 'events.num' = '1000000');

CREATE TABLE auction (
  WATERMARK FOR `dateTime` AS `dateTime` - INTERVAL '4' SECOND
) WITH ('connector' = 'nexmark', 'table' = 'auction', 'events.num' = '1000000');

CREATE TABLE bid (
  WATERMARK FOR `dateTime` AS `dateTime` - INTERVAL '4' SECOND
) WITH ('connector' = 'nexmark', 'table' = 'bid', 'events.num' = '1000000');

CREATE SINK q23 WITH ('connector' = 'blackhole') AS
SELECT B.bidder, B.price, B.channel, B.url, B.extra AS bid_extra,
       P.id AS person_id, P.name, P.emailAddress, P.creditCard, P.city, P.state, P.extra AS person_extra,
       A.itemName, A.description, A.initialBid, A.reserve, A.`dateTime` AS auction_dateTime, A.expires, A.seller,
       A.category, A.extra AS auction_extra
FROM auction AS A
JOIN person AS P ON A.seller = P.id
JOIN bid AS B ON B.bidder = P.id;

-- test: bids of those who sell, once for each auction that they have opened
-- input bid
--   bidder | price | dateTime
--   7      | 100   | 2026-01-01 12:00:01
--   8      | 200   | 2026-01-01 12:00:01
-- input person
--   id | name | dateTime
--   7  | ann  | 2026-01-01 12:00:00
--   8  | bob  | 2026-01-01 12:00:00
-- expect q23
-- input auction
--   itemName | seller | dateTime
--   lamp     | 7      | 2026-01-01 12:00:02
--   chair    | 7      | 2026-01-01 12:00:03
-- expect q23
--   bidder | price | name | itemName
--   7      | 100   | ann  | lamp
--   7      | 100   | ann  | chair
