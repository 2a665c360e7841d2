-- An interval is written in one way, whatever made it and whatever writes it.
CREATE SOURCE t (id BIGINT, a TIMESTAMP(3), b TIMESTAMP(3), t TIME(3), u TIME(3), n BIGINT)
WITH ('connector' = 'filesystem', 'path' = 'times.ndjson', 'format' = 'json');

CREATE SINK as_json WITH ('connector' = 'filesystem', 'path' = 'out/as_json.ndjson', 'format' = 'json') AS
SELECT id, a - b AS between, t - u AS clocks, n * INTERVAL '1' DAY AS days, INTERVAL '14' MONTH AS months, INTERVAL '1 02:03:04.5' DAY TO SECOND AS parts,
  ARRAY[a - b] AS in_array, ROW(t - u, a - b) AS in_row, MAP['x', a - b] AS in_map, GREATEST(a - b, INTERVAL '1' HOUR) AS longer FROM t;

CREATE SINK as_text WITH ('connector' = 'filesystem', 'path' = 'out/as_text.ndjson', 'format' = 'json') AS
SELECT id, CAST(a - b AS VARCHAR) AS between, CAST(t - u AS VARCHAR) AS clocks, (a - b) || ' apart' AS apart, CONCAT(t - u, '!') AS joined, CAST(ROW(a - b, ARRAY[t - u]) AS VARCHAR) AS whole,
  CAST(ARRAY[a - b] AS ARRAY<VARCHAR>) AS items, CAST(a - b AS VARCHAR(6)) AS cut FROM t;

CREATE SINK as_csv WITH ('connector' = 'filesystem', 'path' = 'out/as_csv.csv', 'format' = 'csv') AS
SELECT id, a - b AS between, t - u AS clocks, INTERVAL '0.5' SECOND AS half FROM t;

-- What is shown is read again.
CREATE SINK again WITH ('connector' = 'filesystem', 'path' = 'out/again.ndjson', 'format' = 'json') AS
SELECT id, INTERVAL '62 days 0.5 secs' AS one, INTERVAL '-1 days -2 hours -3 mins -4.25 secs' AS other, a - b = INTERVAL '62 days 0.5 secs' AS same, INTERVAL '14 mons' AS months FROM t;
