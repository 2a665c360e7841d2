-- What is read is not overwritten, and what one sink writes no other does, by whatever way the path goes.
CREATE SOURCE clicks (page VARCHAR) WITH ('connector' = 'filesystem', 'path' = 'data/../input.ndjson', 'format' = 'json');

CREATE SINK back WITH ('connector' = 'filesystem', 'path' = './input.ndjson', 'format' = 'json') AS SELECT page FROM clicks;
