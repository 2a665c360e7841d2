-- Objects as maps: of sources, of sinks, in lists; a key that comes twice has its last value; what does not fit costs its row.
CREATE SOURCE events (id INT, tags MAP<STRING, BIGINT>, counts MAP<INT, ROW<n INT, s STRING>>, raw VARCHAR, maps ARRAY<MAP<STRING, STRING>>, b BYTES, t TIME)
WITH ('connector' = 'filesystem', 'path' = 'events.ndjson', 'format' = 'json');

CREATE SINK tags WITH ('connector' = 'filesystem', 'path' = 'out/tags.ndjson', 'format' = 'json') AS
SELECT id, tags, tags['a'] AS a, CARDINALITY(tags) AS n, MAP_KEYS(tags) AS `keys`, counts, counts[2].s AS two, maps FROM events;

CREATE SINK packed WITH ('connector' = 'filesystem', 'path' = 'out/packed.csv', 'format' = 'csv') AS
SELECT id, b, t, CAST(t AS VARCHAR) AS shown, raw FROM events;

CREATE SINK totals WITH ('connector' = 'filesystem', 'path' = 'out/totals.ndjson', 'format' = 'json') AS
SELECT k, SUM(v) AS total, COUNT(*) AS n FROM events CROSS JOIN UNNEST(tags) AS u (k, v) GROUP BY k;

CREATE TABLE written (id INT, tags MAP<STRING, BIGINT>) WITH ('connector' = 'filesystem', 'path' = 'out/written.ndjson', 'format' = 'json');
INSERT INTO written SELECT id, MAP['id', CAST(id AS BIGINT), 'twice', CAST(2 * id AS BIGINT)] FROM events;
