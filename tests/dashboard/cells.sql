-- Values that are hard to show.
CREATE SOURCE events (id BIGINT, name VARCHAR, x DOUBLE, note VARCHAR, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '1' SECOND)
WITH ('connector' = 'http', 'format' = 'json');

CREATE MATERIALIZED VIEW cells WITH ('chart' = 'bars x by name') AS SELECT id, name, LAST_VALUE(x) AS x, LAST_VALUE(note) AS note FROM events GROUP BY id, name;

CREATE MATERIALIZED VIEW counts WITH ('chart' = 'none') AS SELECT name, COUNT(*) AS many FROM events GROUP BY name;
