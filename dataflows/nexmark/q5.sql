-- Nexmark q5, hot items: every 2 s, the auctions with the most bids in the last 10 s. Both sides of the join count the
-- same bids: it is done once.
--
--   highwater run dataflows/nexmark/q5.sql --exit-at-end --no-serve
--
-- The sink takes the result and forgets it; write 'print' for 'blackhole' to see it.

CREATE TABLE bid (
  WATERMARK FOR `dateTime` AS `dateTime` - INTERVAL '4' SECOND
) WITH ('connector' = 'nexmark', 'table' = 'bid', 'events.num' = '1000000');

CREATE SINK q5 WITH ('connector' = 'blackhole') AS
SELECT AuctionBids.auction, AuctionBids.num
FROM (
  SELECT auction, COUNT(*) AS num, window_start AS starttime, window_end AS endtime
  FROM TABLE(HOP(TABLE bid, DESCRIPTOR(`dateTime`), INTERVAL '2' SECOND, INTERVAL '10' SECOND))
  GROUP BY auction, window_start, window_end
) AuctionBids
JOIN (
  SELECT MAX(num) AS maxn, starttime, endtime
  FROM (
    SELECT auction, COUNT(*) AS num, window_start AS starttime, window_end AS endtime
    FROM TABLE(HOP(TABLE bid, DESCRIPTOR(`dateTime`), INTERVAL '2' SECOND, INTERVAL '10' SECOND))
    GROUP BY auction, window_start, window_end
  ) CountBids
  GROUP BY starttime, endtime
) MaxBids
ON AuctionBids.starttime = MaxBids.starttime AND AuctionBids.endtime = MaxBids.endtime AND AuctionBids.num >= MaxBids.maxn;

-- test: of auctions that have as many bids each is hot, in every window of ten seconds
-- input bid
--   auction | dateTime
--   1       | 2026-01-01 12:00:00
--   1       | 2026-01-01 12:00:01
--   2       | 2026-01-01 12:00:01
--   2       | 2026-01-01 12:00:03
-- # The highest number of a window is known when the watermark is past its end.
-- watermark bid 12:00:03
-- expect q5
--   auction | num
--   1       | 2
-- watermark bid 12:00:05
-- # Until 12:00:04 both have two.
-- expect changes q5
--   _op    | auction | num
--   insert | 1       | 2
--   insert | 1       | 2
--   insert | 2       | 2
-- watermark bid 12:00:13
-- # Three more windows that have both, then one from 12:00:02 on.
-- expect changes q5
--   _op    | auction | num
--   insert | 1       | 2
--   insert | 1       | 2
--   insert | 1       | 2
--   insert | 2       | 2
--   insert | 2       | 2
--   insert | 2       | 2
--   insert | 2       | 1
