-- A DATE moved by days, months or years is a DATE; moved by hours or what is shorter it is a TIMESTAMP.
CREATE SOURCE days (
  name STRING, dt DATE, ts TIMESTAMP(3), n INT
) WITH ('connector' = 'filesystem', 'path' = 'input.ndjson', 'format' = 'json');

CREATE SINK result WITH ('connector' = 'filesystem', 'path' = 'out/result.ndjson', 'format' = 'json') AS
SELECT name, dt + INTERVAL '11' HOUR AS hours, dt - INTERVAL '1' MINUTE AS minute, dt + INTERVAL '-1.5' SECOND AS second,
  INTERVAL '30' MINUTE + dt AS swapped, dt + INTERVAL '1 12' DAY TO HOUR AS both, dt - INTERVAL '1 02:03:04.5' DAY TO SECOND AS apart,
  dt + n * INTERVAL '7' HOUR AS times, dt - INTERVAL '90' MINUTE * n AS less, dt + INTERVAL '1' DAY + INTERVAL '1' HOUR AS chained,
  dt + INTERVAL '24' HOUR AS whole, dt + INTERVAL '1' DAY AS day, dt - INTERVAL '2' WEEK AS weeks, dt + INTERVAL '1' MONTH AS month,
  dt - INTERVAL '1' YEAR AS year, dt + n * INTERVAL '1' DAY AS days, dt + INTERVAL '1-1' YEAR TO MONTH AS years,
  DATE '1969-12-31' + INTERVAL '25' HOUR AS fixed, DATE '1969-12-31' - INTERVAL '1' DAY AS fixed_day,
  TIMESTAMPADD(HOUR, n, dt) AS add_hours, TIMESTAMPADD(SECOND, -1, dt) AS add_second, TIMESTAMPADD(DAY, n, dt) AS add_days,
  TIMESTAMPADD(WEEK, 1, dt) AS add_week, TIMESTAMPADD(MONTH, 1, dt) AS add_month, TIMESTAMPADD(YEAR, -1, dt) AS add_year,
  ts BETWEEN dt AND dt + INTERVAL '12' HOUR AS morning, ts < dt + INTERVAL '12' HOUR AS before, ts = dt + INTERVAL '12' HOUR AS noon,
  ts IN (dt + INTERVAL '12' HOUR, dt + INTERVAL '1' DAY) AS listed, dt = TIMESTAMPADD(DAY, -1, dt + INTERVAL '1' DAY) AS same,
  dt < dt + INTERVAL '1' SECOND AS later, CASE WHEN n > 0 THEN dt + INTERVAL '1' HOUR ELSE dt END AS chosen,
  COALESCE(dt + INTERVAL '1' HOUR, ts) AS there, CAST(dt + INTERVAL '36' HOUR AS DATE) AS cut
FROM days;

CREATE SINK grouped WITH ('connector' = 'filesystem', 'path' = 'out/grouped.ndjson', 'format' = 'json') AS
SELECT dt + INTERVAL '6' HOUR AS shift, COUNT(*) AS c, MAX(dt + INTERVAL '1' HOUR) AS most
FROM days WHERE ts >= dt + INTERVAL '1' MINUTE OR ts IS NULL GROUP BY dt + INTERVAL '6' HOUR;
