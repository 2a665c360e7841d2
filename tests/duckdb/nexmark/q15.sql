SELECT strftime("dateTime", '%Y-%m-%d') AS day, COUNT(*) AS total_bids,
  COUNT(*) FILTER (price < 10000) AS rank1_bids,
  COUNT(*) FILTER (price >= 10000 AND price < 1000000) AS rank2_bids,
  COUNT(*) FILTER (price >= 1000000) AS rank3_bids,
  COUNT(DISTINCT bidder) AS total_bidders,
  COUNT(DISTINCT bidder) FILTER (price < 10000) AS rank1_bidders,
  COUNT(DISTINCT bidder) FILTER (price >= 10000 AND price < 1000000) AS rank2_bidders,
  COUNT(DISTINCT bidder) FILTER (price >= 1000000) AS rank3_bidders,
  COUNT(DISTINCT auction) AS total_auctions,
  COUNT(DISTINCT auction) FILTER (price < 10000) AS rank1_auctions,
  COUNT(DISTINCT auction) FILTER (price >= 10000 AND price < 1000000) AS rank2_auctions,
  COUNT(DISTINCT auction) FILTER (price >= 1000000) AS rank3_auctions
FROM bid GROUP BY day
