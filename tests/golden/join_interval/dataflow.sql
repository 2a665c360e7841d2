-- An interval join: taps of the same user within 2 s after a click; both bounds are inclusive (J1).
CREATE SOURCE clicks (
  "user" VARCHAR, page VARCHAR, ms DOUBLE, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'input.ndjson', 'format' = 'json');
CREATE SOURCE taps (
  "user" VARCHAR, page VARCHAR, ms DOUBLE, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'taps.ndjson', 'format' = 'json');

CREATE SINK result WITH ('connector' = 'filesystem', 'path' = 'out/result.ndjson', 'format' = 'json') AS
SELECT c."user", c.page, c.ts AS click_ts, t.ts AS tap_ts, t.ms
FROM clicks c JOIN taps t ON c."user" = t."user" AND t.ts BETWEEN c.ts AND c.ts + INTERVAL '2' SECOND;
