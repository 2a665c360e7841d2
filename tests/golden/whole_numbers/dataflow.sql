-- FLOOR, CEIL, TRUNCATE and SIGN of whole numbers are whole and exact; of DECIMALs FLOOR and CEIL have no places.
CREATE SOURCE t (x BIGINT, i INT, d DECIMAL(20, 3), ts TIMESTAMP(3), WATERMARK FOR ts AS ts)
WITH ('connector' = 'filesystem', 'path' = 'input.ndjson', 'format' = 'json');

CREATE SINK result WITH ('connector' = 'filesystem', 'path' = 'out/result.ndjson', 'format' = 'json') AS
SELECT x, FLOOR(x) AS f, CEIL(x) AS c, CEILING(x) AS cc, TRUNCATE(x) AS t, TRUNCATE(x, -2) AS tt, TRUNCATE(x, 2) AS ttt, SIGN(x) AS s,
  FLOOR(i) AS fi, TRUNCATE(i, -1) AS ti, SIGN(i) AS si, FLOOR(d) AS fd, CEIL(d) AS cd, TRUNCATE(d, 1) AS td,
  FLOOR(CAST(i AS DOUBLE) / 7) AS ff, CEIL(2.5) AS lit, TRUNCATE(-1299, -2) AS folded, FLOOR(NULL) AS nothing
FROM t;
