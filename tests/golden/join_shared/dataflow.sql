-- Joins that find customers, orders and payments by the same key: each relation is kept once, for all joins that read it.
-- A customer's city is the last one told, so its joined rows are taken back when it moves.
CREATE SOURCE moves (id BIGINT, city VARCHAR, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND)
  WITH ('connector' = 'filesystem', 'path' = 'customers.ndjson', 'format' = 'json');
CREATE SOURCE orders (customer BIGINT, amount BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND)
  WITH ('connector' = 'filesystem', 'path' = 'orders.ndjson', 'format' = 'json');
CREATE SOURCE payments (customer BIGINT, paid BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND)
  WITH ('connector' = 'filesystem', 'path' = 'payments.ndjson', 'format' = 'json');

CREATE VIEW customers AS
SELECT id, city FROM (SELECT id, city, ROW_NUMBER() OVER (PARTITION BY id ORDER BY ts DESC, city) AS n FROM moves) WHERE n = 1;

CREATE SINK ordered WITH ('connector' = 'filesystem', 'path' = 'out/ordered.ndjson', 'format' = 'json') AS
SELECT c.city, COUNT(*) AS n, SUM(o.amount) AS amount FROM orders o JOIN customers c ON o.customer = c.id GROUP BY c.city;

CREATE SINK paid WITH ('connector' = 'filesystem', 'path' = 'out/paid.ndjson', 'format' = 'json') AS
SELECT p.customer, c.city, p.paid FROM customers c JOIN payments p ON p.customer = c.id AND p.paid > 40;

CREATE SINK both WITH ('connector' = 'filesystem', 'path' = 'out/both.ndjson', 'format' = 'json') AS
SELECT o.customer, COUNT(*) AS n, SUM(o.amount - p.paid) AS owed
FROM orders o JOIN payments p ON o.customer = p.customer GROUP BY o.customer;
