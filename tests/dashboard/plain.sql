-- Numbers that name something, a text that looks like NULL, names without end, and views in which there is nothing.
CREATE SOURCE events (order_id BIGINT, customer_id BIGINT, name VARCHAR, n BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '1' SECOND)
WITH ('connector' = 'http', 'format' = 'json');

CREATE TABLE prices (sku BIGINT PRIMARY KEY NOT ENFORCED, price DECIMAL(20, 4), most DOUBLE, least DOUBLE, note VARCHAR, since DATE, until DATE, shown BOOLEAN);

CREATE MATERIALIZED VIEW orders AS SELECT order_id, customer_id, MAX(n) AS n FROM events GROUP BY order_id, customer_id;

CREATE MATERIALIZED VIEW by_amount AS SELECT n, COUNT(*) AS many FROM events GROUP BY n;

CREATE MATERIALIZED VIEW named AS SELECT name, SUM(n) AS n FROM events GROUP BY name;

CREATE MATERIALIZED VIEW dear WITH ('alert' = 'high') AS SELECT order_id, name, n FROM events WHERE n > 20000;

CREATE MATERIALIZED VIEW never AS
SELECT name, window_start, window_end, SUM(n) AS n FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(ts), INTERVAL '1' HOUR))
WHERE name = 'nobody' GROUP BY name, window_start, window_end;

CREATE MATERIALIZED VIEW a_view_with_a_very_long_name_that_a_program_made_of_the_names_of_many_other_programs AS
SELECT name AS a_column_whose_name_is_much_longer_than_any_of_its_values, COUNT(*) AS and_another_one_that_goes_on_and_on_and_on FROM events GROUP BY name;
