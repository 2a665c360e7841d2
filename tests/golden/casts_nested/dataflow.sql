-- Casts of rows, maps and arrays: rows field by field in their order, and what does not fit is a failing row, or NULL.
CREATE SOURCE s (
  id INT, r ROW<a INT, b STRING>, m MAP<STRING, INT>, xs ARRAY<INT>, rows ARRAY<ROW<a INT, t TIMESTAMP(3)>>
) WITH ('connector' = 'filesystem', 'path' = 'input.ndjson', 'format' = 'json');

CREATE SINK result WITH ('connector' = 'filesystem', 'path' = 'out/result.ndjson', 'format' = 'json') AS
SELECT id, CAST(ROW(id, 'x') AS ROW<a BIGINT, b STRING>) AS made, CAST(r AS ROW<b STRING, c STRING>) AS shifted,
  CAST(r AS ROW(x DOUBLE, y STRING)) AS named, CAST(m AS MAP<STRING, STRING>) AS texts, CAST(m AS MAP<STRING, DOUBLE>) AS floats,
  CAST(xs AS BIGINT ARRAY) AS longs, CAST(xs AS ARRAY<STRING>) AS words,
  CAST(rows AS ARRAY<ROW<n BIGINT, at STRING>>) AS deep, CAST(ROW(r, xs) AS ROW<r ROW<a STRING, b STRING>, xs ARRAY<DOUBLE>>) AS nest,
  TRY_CAST(r AS ROW<a INT, b INT>) AS tried, TRY(CAST(ARRAY[r.b] AS ARRAY<INT>)) AS numbers,
  CAST(ROW(id, 'x') AS ROW<Lat BIGINT, b STRING>)['Lat'] AS field, m::MAP<STRING, BIGINT> AS colons,
  CAST(NULL AS ROW<a INT, b ARRAY<INT>>) AS none
FROM s;

CREATE SINK strict WITH ('connector' = 'filesystem', 'path' = 'out/strict.ndjson', 'format' = 'json') AS
SELECT id, CAST(r AS ROW<a TINYINT, b INT>) AS small FROM s;
