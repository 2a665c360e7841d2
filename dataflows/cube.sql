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
