SELECT time_bucket(INTERVAL 1 HOUR, ts) AS window_start, window_start + INTERVAL 1 HOUR AS window_end, region, product, channel,
  GROUPING(region) + GROUPING(product) + GROUPING(channel) AS level, COUNT(*) AS orders, SUM(quantity) AS items,
  SUM(quantity * price) AS revenue, AVG(price) AS mean_price
FROM read_csv('dataflows/data/orders.csv', nullstr = '', columns = {'region': 'VARCHAR', 'product': 'VARCHAR', 'channel': 'VARCHAR',
  'quantity': 'BIGINT', 'price': 'DOUBLE', 'ts': 'TIMESTAMP'})
GROUP BY window_start, CUBE (region, product, channel)
