-- Fields of ROW columns are reached with dots; arrays pass through.
CREATE SOURCE clicks (
  id BIGINT, who ROW<name VARCHAR, address ROW<city VARCHAR>>, tags ARRAY<VARCHAR>, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'input.ndjson', 'format' = 'json');

CREATE SINK result WITH ('connector' = 'filesystem', 'path' = 'out/result.ndjson', 'format' = 'json') AS
SELECT id, clicks.who.name AS name, UPPER(clicks.who.address.city) AS city, tags, who FROM clicks;
