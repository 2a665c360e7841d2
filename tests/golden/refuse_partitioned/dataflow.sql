-- Partitions are folders that a sink writes, by columns that it has.
CREATE SOURCE clicks ("user" VARCHAR, page VARCHAR, ms DOUBLE, ts TIMESTAMP(3), WATERMARK FOR ts AS ts)
PARTITIONED BY (page) WITH ('connector' = 'http');

CREATE SOURCE taps ("user" VARCHAR, page VARCHAR, ms DOUBLE, ts TIMESTAMP(3), WATERMARK FOR ts AS ts)
WITH ('connector' = 'filesystem', 'path' = 'input.ndjson', 'format' = 'json');

CREATE TABLE names (page VARCHAR PRIMARY KEY, name VARCHAR) PARTITIONED BY (page);

CREATE SINK by_pages PARTITIONED BY (pages) WITH ('connector' = 'filesystem', 'path' = 'out/a/', 'format' = 'json') AS
SELECT page, ms FROM taps;

CREATE SINK twice PARTITIONED BY (page, PAGE) WITH ('connector' = 'filesystem', 'path' = 'out/b/', 'format' = 'json') AS
SELECT page, ms FROM taps;

CREATE SINK one_file PARTITIONED BY (page) WITH ('connector' = 'filesystem', 'path' = 'out/c.ndjson', 'format' = 'json') AS
SELECT page, ms FROM taps;

CREATE SINK nothing_left PARTITIONED BY (page) WITH ('connector' = 'filesystem', 'path' = 'out/d/', 'format' = 'json') AS
SELECT page FROM taps;
