-- Values at the end of what a DOUBLE holds, and a long key.
CREATE SOURCE events (name VARCHAR, x DOUBLE, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '1' SECOND)
WITH ('connector' = 'http', 'format' = 'json');

CREATE MATERIALIZED VIEW high WITH ('chart' = 'lines x by name') AS
SELECT name, window_start, window_end, MAX(x) AS x FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(ts), INTERVAL '10' SECOND))
WHERE name <> 'low' GROUP BY name, window_start, window_end;

CREATE MATERIALIZED VIEW both WITH ('chart' = 'lines x by name') AS
SELECT name, window_start, window_end, MAX(x) AS x FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(ts), INTERVAL '10' SECOND))
GROUP BY name, window_start, window_end;
