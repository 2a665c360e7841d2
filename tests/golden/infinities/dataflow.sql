-- NaN and the infinities in text: one spelling where they are written, whatever writes them; all spellings of theirs are read, whatever reads them.
CREATE SOURCE c (id INT, x DOUBLE, f FLOAT) WITH ('connector' = 'filesystem', 'path' = 'rows.csv', 'format' = 'csv');
CREATE SOURCE j (id INT, x DOUBLE, f FLOAT) WITH ('connector' = 'filesystem', 'path' = 'rows.ndjson', 'format' = 'json');
CREATE SOURCE t (id INT, x VARCHAR, f VARCHAR) WITH ('connector' = 'filesystem', 'path' = 'rows.ndjson', 'format' = 'json');

CREATE SINK of_csv WITH ('connector' = 'filesystem', 'path' = 'out/of_csv.ndjson', 'format' = 'json') AS
SELECT id, x, f, CAST(x AS VARCHAR) AS xt, CAST(f AS VARCHAR) AS ft, x || '' AS joined, CONCAT(f, '') AS joined_f, ARRAY[x] AS items, ROW(x, f) AS r, MAP['a', f] AS m,
  CAST(ARRAY[x] AS VARCHAR) AS items_text, CAST(ROW(x, f) AS VARCHAR) AS row_text, JSON_OBJECT('x' VALUE x) AS o, -x AS turned FROM c;

CREATE SINK of_json WITH ('connector' = 'filesystem', 'path' = 'out/of_json.csv', 'format' = 'csv') AS
SELECT id, x, f, CAST(x AS VARCHAR) AS xt, CAST(f AS VARCHAR) AS ft FROM j;

CREATE SINK of_text WITH ('connector' = 'filesystem', 'path' = 'out/of_text.ndjson', 'format' = 'json') AS
SELECT id, CAST(x AS DOUBLE) AS x, CAST(f AS FLOAT) AS f, TRY_CAST(x AS DECIMAL(10, 2)) AS d, CAST(ARRAY[x] AS ARRAY<DOUBLE>) AS items, CAST(x AS DOUBLE) > 1e308 AS beyond FROM t;
