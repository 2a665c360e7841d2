-- One pass, every combination of keys: the sales of a day by region, product and channel, by each pair, each alone, and in
-- all.
--
--     cargo run --release -- run dataflows/cube.sql --exit-at-end
--     grep '"level":3' out/sales.ndjson        only the hours' totals
--
-- CUBE (region, product, channel) is eight groupings of the same rows. GROUPING(x) is 1 where x was summed over, which
-- tells a total from a group whose key is NULL: some orders have no channel. ROLLUP and GROUPING SETS work the same way.

CREATE SOURCE orders (
  region VARCHAR, product VARCHAR, channel VARCHAR, quantity BIGINT, price DOUBLE, ts TIMESTAMP(3),
  revenue AS quantity * price,
  WATERMARK FOR ts AS ts - INTERVAL '1' MINUTE
) WITH ('connector' = 'filesystem', 'path' = 'dataflows/data/orders.csv', 'format' = 'csv', 'csv.header' = 'true');

CREATE MATERIALIZED VIEW sales AS
SELECT window_start, window_end, region, product, channel,
  GROUPING(region) + GROUPING(product) + GROUPING(channel) AS level,
  COUNT(*) AS orders, SUM(quantity) AS items, SUM(revenue) AS revenue, AVG(price) AS mean_price
FROM TABLE(TUMBLE(TABLE orders, DESCRIPTOR(ts), INTERVAL '1' HOUR))
GROUP BY window_start, window_end, CUBE (region, product, channel);

CREATE SINK sales_out WITH ('connector' = 'filesystem', 'path' = 'out/sales.ndjson', 'format' = 'json') AS
SELECT * FROM sales;

-- test: every combination of keys has its total
-- input orders
--   region | product | channel | quantity | price | ts
--   west   | desk    | web     | 2        | 100   | 2026-01-01 12:00:00
--   west   | lamp    | NULL    | 1        | 30    | 2026-01-01 12:30:00
-- watermark orders 13:00
-- expect sales
--   region | product | channel | level | orders | items | revenue
--   NULL   | NULL    | NULL    | 2     | 1      | 1     | 30.0
--   NULL   | NULL    | NULL    | 3     | 2      | 3     | 230.0
--   NULL   | NULL    | web     | 2     | 1      | 2     | 200.0
--   NULL   | desk    | NULL    | 2     | 1      | 2     | 200.0
--   NULL   | desk    | web     | 1     | 1      | 2     | 200.0
--   NULL   | lamp    | NULL    | 1     | 1      | 1     | 30.0
--   NULL   | lamp    | NULL    | 2     | 1      | 1     | 30.0
--   west   | NULL    | NULL    | 1     | 1      | 1     | 30.0
--   west   | NULL    | NULL    | 2     | 2      | 3     | 230.0
--   west   | NULL    | web     | 1     | 1      | 2     | 200.0
--   west   | desk    | NULL    | 1     | 1      | 2     | 200.0
--   west   | desk    | web     | 0     | 1      | 2     | 200.0
--   west   | lamp    | NULL    | 0     | 1      | 1     | 30.0
--   west   | lamp    | NULL    | 1     | 1      | 1     | 30.0
