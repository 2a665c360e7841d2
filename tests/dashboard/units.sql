-- Measures of different units, and ids that are numbers.
CREATE SOURCE readings (sensor_id VARCHAR, unit VARCHAR, room_id BIGINT, x DOUBLE, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '1' SECOND)
WITH ('connector' = 'http', 'format' = 'json');

CREATE MATERIALIZED VIEW measured AS
SELECT sensor_id, unit, MAX(room_id) AS room_id, window_start, window_end, AVG(x) AS x
FROM TABLE(TUMBLE(TABLE readings, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY sensor_id, unit, window_start, window_end;
