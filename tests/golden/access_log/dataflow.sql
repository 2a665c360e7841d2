-- One access log three times: by grok's own pattern, by a regular expression, and as lines.
CREATE SOURCE grokked (
  clientip VARCHAR, verb VARCHAR, request VARCHAR, response INT, bytes BIGINT, "timestamp" TIMESTAMP(3),
  WATERMARK FOR "timestamp" AS "timestamp" - INTERVAL '5' SECOND
) WITH (
  'connector' = 'filesystem', 'path' = 'access.log', 'format' = 'grok', 'grok.pattern' = '%{COMBINEDAPACHELOG}',
  'grok.null-literal' = '-', 'timestamp.format' = 'dd/MMM/yyyy:HH:mm:ss Z'
);

CREATE SOURCE matched (
  ip VARCHAR, status INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH (
  'connector' = 'filesystem', 'path' = 'access.log', 'format' = 'regex',
  'regex.pattern' = '^(?<ip>\S+) \S+ \S+ \[(?<ts>[^\]]+)\] "[^"]*" (?<status>\d+) ', 'timestamp.format' = 'dd/MMM/yyyy:HH:mm:ss Z'
);

CREATE SOURCE lines (line VARCHAR, words AS SPLIT_INDEX(line, ' ', 0)) WITH (
  'connector' = 'filesystem', 'path' = 'access.log', 'format' = 'raw'
);

CREATE SINK requests WITH ('connector' = 'filesystem', 'path' = 'out/requests.ndjson', 'format' = 'json') AS
SELECT * FROM grokked;

CREATE SINK per_status WITH ('connector' = 'filesystem', 'path' = 'out/per_status.ndjson', 'format' = 'json') AS
SELECT status, window_end, COUNT(*) AS n, COUNT(DISTINCT ip) AS clients
FROM TABLE(TUMBLE(TABLE matched, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY status, window_start, window_end;

CREATE SINK raw WITH ('connector' = 'filesystem', 'path' = 'out/raw.csv', 'format' = 'csv') AS SELECT line, words FROM lines;
