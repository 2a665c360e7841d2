-- Orders at the rate of their time (J4): a versioned table has a primary key and a watermark, each of its rows is valid from
-- its time until the next of its key; of two with one time the later counts. An order waits until its rate is certain. A
-- rate behind the watermark is late and changes nothing. A condition on the rate does not choose another version.
CREATE SOURCE orders (
  id BIGINT, currency VARCHAR, amount BIGINT, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '3' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'orders.ndjson', 'format' = 'json');
CREATE TABLE rates (
  currency VARCHAR, rate DOUBLE, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '2' SECOND,
  PRIMARY KEY (currency) NOT ENFORCED
) WITH ('connector' = 'filesystem', 'path' = 'rates.ndjson', 'format' = 'json');

CREATE SINK converted WITH ('connector' = 'filesystem', 'path' = 'out/converted.ndjson', 'format' = 'json') AS
SELECT o.id, o.currency, o.amount * r.rate AS total, r.ts AS since
FROM orders AS o LEFT JOIN rates FOR SYSTEM_TIME AS OF o.ts AS r ON o.currency = r.currency;

CREATE SINK dear WITH ('connector' = 'filesystem', 'path' = 'out/dear.ndjson', 'format' = 'json') AS
SELECT o.id, r.rate FROM orders o JOIN rates FOR SYSTEM_TIME AS OF o.ts AS r ON o.currency = r.currency AND r.rate > 2.5
WHERE o.amount > 100;
