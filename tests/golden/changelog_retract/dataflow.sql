-- Rows come and go, as _op says (K1, K2). What takes back what is not there, is late, or says nothing known is left out (K3, K4).
CREATE SOURCE orders (
  id INT, customer VARCHAR, amount DECIMAL(10, 2), ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '10' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'input.ndjson', 'format' = 'json', 'changelog' = 'retract');

CREATE SINK totals WITH ('connector' = 'filesystem', 'path' = 'out/totals.ndjson', 'format' = 'json') AS
SELECT customer, COUNT(*) AS n, SUM(amount) AS total, MAX(amount) AS most FROM orders GROUP BY customer;

CREATE SINK windows WITH ('connector' = 'filesystem', 'path' = 'out/windows.ndjson', 'format' = 'json') AS
SELECT window_start, COUNT(*) AS n, SUM(amount) AS total
FROM TABLE(TUMBLE(TABLE orders, DESCRIPTOR(ts), INTERVAL '20' SECOND)) GROUP BY window_start, window_end;

CREATE SINK largest WITH ('connector' = 'filesystem', 'path' = 'out/largest.ndjson', 'format' = 'json') AS
SELECT customer, id, amount FROM (
  SELECT *, ROW_NUMBER() OVER (PARTITION BY customer ORDER BY amount DESC, id) AS n FROM orders) WHERE n <= 1;

CREATE SINK pairs WITH ('connector' = 'filesystem', 'path' = 'out/pairs.ndjson', 'format' = 'json') AS
SELECT a.id AS one, b.id AS other FROM orders a JOIN orders b ON a.customer = b.customer WHERE a.id < b.id;
