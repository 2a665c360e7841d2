-- Casts of what is in arrays, maps and rows: tried they are NULL as a whole where a part does not fit, texts are cut and filled up as
-- outside, and keys that become one have the last value. A row that fails keeps no other from being cast.
CREATE SOURCE s (
  id INT, s STRING, n BIGINT, xs ARRAY<BIGINT>, words ARRAY<STRING>, fs ARRAY<DOUBLE>, m MAP<STRING, BIGINT>, at TIMESTAMP(3)
) WITH ('connector' = 'filesystem', 'path' = 'input.ndjson', 'format' = 'json');

CREATE SINK tried WITH ('connector' = 'filesystem', 'path' = 'out/tried.ndjson', 'format' = 'json') AS
SELECT id, TRY_CAST(xs AS ARRAY<TINYINT>) AS small, TRY_CAST(words AS ARRAY<INT>) AS numbers, TRY_CAST(fs AS ARRAY<INT>) AS whole,
  TRY_CAST(m AS MAP<STRING, TINYINT>) AS map_of, TRY_CAST(ROW(n, s) AS ROW<a TINYINT, b STRING>) AS row_of,
  TRY_CAST(ROW(xs, s) AS ROW<xs ARRAY<TINYINT>, s STRING>) AS deep, TRY_CAST(ARRAY[xs] AS ARRAY<ARRAY<SMALLINT>>) AS deeper,
  TRY(CAST(xs AS ARRAY<TINYINT>)) AS same, CAST(NULLIF(words, ARRAY['1', 'x']) AS ARRAY<INT>) AS hidden
FROM s;

CREATE SINK cut WITH ('connector' = 'filesystem', 'path' = 'out/cut.ndjson', 'format' = 'json') AS
SELECT id, CAST(words AS ARRAY<VARCHAR(1)>) AS letters, CAST(ARRAY[s] AS ARRAY<CHAR(4)>) AS filled,
  CAST(ROW(s, ARRAY[s], n) AS ROW<a VARCHAR(2), b ARRAY<CHAR(3)>, c STRING>) AS row_of, ARRAY[s]::ARRAY<CHAR> AS one,
  CAST(ARRAY[at] AS ARRAY<VARCHAR(10)>) AS days, TRY_CAST(m AS MAP<VARCHAR(1), VARCHAR(2)>) AS map_of
FROM s;

CREATE SINK keys WITH ('connector' = 'filesystem', 'path' = 'out/keys.ndjson', 'format' = 'json') AS
SELECT id, CAST(MAP['1', n, '01', id, '2', 0] AS MAP<INT, INT>) AS numbers, CARDINALITY(CAST(MAP['1', n, '01', id] AS MAP<INT, INT>)) AS many,
  CAST(MAP[1.25, 'a', 1.75, 'b'] AS MAP<INT, STRING>) AS whole, CAST(MAP['ab', 1, 'ac', 2] AS MAP<VARCHAR(1), INT>)['a'] AS last_of
FROM s WHERE n < 1000;

CREATE SINK strict WITH ('connector' = 'filesystem', 'path' = 'out/strict.ndjson', 'format' = 'json') AS
SELECT id, CAST(words AS ARRAY<INT>) AS numbers FROM s;
