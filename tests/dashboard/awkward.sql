-- Names that mean something in addresses, in lists, in a shell, or nowhere.
CREATE SOURCE events (key VARCHAR, `a;b=c,d/e` BIGINT, n BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH ('connector' = 'http', 'format' = 'json');

CREATE MATERIALIZED VIEW `two words` AS SELECT key, SUM(`a;b=c,d/e`) AS `a;b=c,d/e`, SUM(n) AS `100 %` FROM events GROUP BY key;

CREATE MATERIALIZED VIEW `one, two` AS SELECT key, SUM(n) AS n FROM events GROUP BY key;

CREATE MATERIALIZED VIEW `semi;colon` AS SELECT key, SUM(n) AS n FROM events GROUP BY key;

CREATE MATERIALIZED VIEW `a/b/c` AS SELECT key, SUM(n) AS n FROM events GROUP BY key;

CREATE MATERIALIZED VIEW `50%25` AS SELECT key, SUM(n) AS n FROM events GROUP BY key;

CREATE MATERIALIZED VIEW `kind=bars` AS SELECT key, SUM(n) AS n FROM events GROUP BY key;

CREATE MATERIALIZED VIEW `Größe ⚓ قياس` AS SELECT key, SUM(n) AS n FROM events GROUP BY key;

CREATE MATERIALIZED VIEW `it's "so" & <b>` AS SELECT key, SUM(n) AS n FROM events GROUP BY key;

CREATE MATERIALIZED VIEW `keys` AS SELECT key, SUM(n) AS n FROM events GROUP BY key;

CREATE MATERIALIZED VIEW `wide` AS SELECT key, SUM(n) AS n FROM events GROUP BY key;

CREATE MATERIALIZED VIEW nothing_drawn AS SELECT DISTINCT key FROM events;
