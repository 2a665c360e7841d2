-- Functions of times of day, which go round at midnight.
CREATE SOURCE shifts (
  name STRING, t TIME(3), u TIME(3), n INT, dt DATE
) WITH ('connector' = 'filesystem', 'path' = 'input.ndjson', 'format' = 'json');

CREATE SINK result WITH ('connector' = 'filesystem', 'path' = 'out/result.ndjson', 'format' = 'json') AS
SELECT name, HOUR(t) AS h, MINUTE(t) AS mi, SECOND(t) AS se, EXTRACT(HOUR FROM t) AS eh, EXTRACT(MINUTE FROM t) AS emi,
  EXTRACT(SECOND FROM t) AS ese, EXTRACT(MILLISECOND FROM t) AS ems, FLOOR(t TO HOUR) AS fh, FLOOR(t TO MINUTE) AS fmi,
  FLOOR(t TO SECOND) AS fse, CEIL(t TO HOUR) AS ch, CEIL(t TO MINUTE) AS cmi, CEIL(t TO SECOND) AS cse,
  TIMESTAMPADD(HOUR, n, t) AS later, TIMESTAMPADD(SECOND, -n, t) AS earlier, t + INTERVAL '90' MINUTE AS added,
  t - INTERVAL '90' MINUTE AS taken, TIMESTAMPDIFF(MINUTE, t, u) AS minutes, TIMESTAMPDIFF(HOUR, u, t) AS hours,
  dt + t AS at, t < u AS before, CAST(t AS STRING) AS text
FROM shifts;
