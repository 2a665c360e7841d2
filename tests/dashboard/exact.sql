-- A table whose numbers the page's own do not hold.
CREATE TABLE amounts (k BIGINT PRIMARY KEY NOT ENFORCED, d DECIMAL(20, 4), x DOUBLE, note VARCHAR);

CREATE MATERIALIZED VIEW doubled AS SELECT k, d + d AS d, x FROM amounts;
