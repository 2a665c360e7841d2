-- ARRAY, MAP and ROW as text: each value as by itself, NULL by name.
CREATE SOURCE t (a ARRAY<INT>, m MAP<VARCHAR, INT>, r ROW<n INT, s VARCHAR, at TIMESTAMP(3), yes BOOLEAN>,
  deep ARRAY<ROW<n INT, l ARRAY<DOUBLE>>>, ts TIMESTAMP(3), WATERMARK FOR ts AS ts)
WITH ('connector' = 'filesystem', 'path' = 'input.ndjson', 'format' = 'json');

CREATE SINK result WITH ('connector' = 'filesystem', 'path' = 'out/result.csv', 'format' = 'csv') AS
SELECT CAST(a AS VARCHAR) AS a, CAST(m AS VARCHAR) AS m, CAST(r AS VARCHAR) AS r, CAST(deep AS VARCHAR) AS deep,
  CAST(a AS VARCHAR(4)) AS cut, 'a ' || CAST(ARRAY['x', NULL] AS VARCHAR) AS made, CAST(ROW(1, TRUE) AS VARCHAR) AS pair
FROM t;
