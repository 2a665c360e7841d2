-- Nexmark q13, bounded side input: each bid beside what a file says of its auction's number, modulo 10,000.
--
--   highwater run dataflows/nexmark/q13.sql --exit-at-end --no-serve
--
-- The file's rows are there before the first bid, and a bid meets the table as it is when the bid arrives: nothing of the
-- bids is kept. The sink takes the result and forgets it; write 'print' for 'blackhole' to see it.

CREATE TABLE bid (
  p_time AS PROCTIME(),
  WATERMARK FOR `dateTime` AS `dateTime` - INTERVAL '4' SECOND
) WITH ('connector' = 'nexmark', 'table' = 'bid', 'events.num' = '1000000');

CREATE TABLE side_input (key BIGINT PRIMARY KEY, `value` VARCHAR)
WITH ('path' = 'dataflows/nexmark/data/side_input.csv', 'format' = 'csv');

CREATE SINK q13 WITH ('connector' = 'blackhole') AS
SELECT B.auction, B.bidder, B.price, B.`dateTime`, S.`value`
FROM bid AS B JOIN side_input FOR SYSTEM_TIME AS OF B.p_time AS S ON MOD(B.auction, 10000) = S.key;

-- test: a bid has what the file says, and what the table says when it comes
-- input bid
--   auction | bidder | price | dateTime
--   10001   | 7      | 100   | 2026-01-01 12:00:01
-- expect q13
--   auction | bidder | price | dateTime            | value
--   10001   | 7      | 100   | 2026-01-01 12:00:01 | v1
-- upsert side_input
--   key | value
--   1   | new
-- input bid
--   auction | bidder | price | dateTime
--   1       | 8      | 200   | 2026-01-01 12:00:02
-- expect changes q13
--   _op    | auction | value
--   insert | 10001   | v1
--   insert | 1       | new
