-- A sink declared as a table and filled by INSERT INTO, as in Flink.
CREATE TABLE clicks (
  "user" VARCHAR, page VARCHAR, ms DOUBLE, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'input.ndjson', 'format' = 'json');

CREATE TABLE result ("user" VARCHAR, n BIGINT, window_end TIMESTAMP(3))
WITH ('connector' = 'filesystem', 'path' = 'out/result.ndjson', 'format' = 'json');

INSERT INTO result
SELECT "user", COUNT(*), window_end
FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '10' SECOND))
GROUP BY "user", window_start, window_end;
