-- Text without an offset in an instant's column is what the session's clocks show, in every format, as CAST has it.
SET 'table.local-time-zone' = 'Europe/Berlin';
CREATE SOURCE fields (id INT, at TIMESTAMP_LTZ(3), wall TIMESTAMP(3)) WITH ('connector' = 'filesystem', 'path' = 'fields.csv', 'format' = 'csv');
CREATE SOURCE german (id INT, at TIMESTAMP_LTZ(3)) WITH (
  'connector' = 'filesystem', 'path' = 'german.csv', 'format' = 'csv', 'timestamp.format' = 'dd.MM.yyyy HH:mm');
CREATE SOURCE objects (id INT, at TIMESTAMP_LTZ(3), place ROW<since TIMESTAMP_LTZ(3), open BOOLEAN>, times ARRAY<TIMESTAMP_LTZ(3)>, `text` VARCHAR)
WITH ('connector' = 'filesystem', 'path' = 'objects.ndjson', 'format' = 'json');

CREATE SINK instants WITH ('connector' = 'filesystem', 'path' = 'out/instants.ndjson', 'format' = 'json') AS
SELECT id, at, CAST(at AS VARCHAR) AS shown, wall, CAST(wall AS TIMESTAMP_LTZ(3)) = at AS is_cast FROM fields;

CREATE SINK patterns WITH ('connector' = 'filesystem', 'path' = 'out/patterns.ndjson', 'format' = 'json') AS SELECT * FROM german;

CREATE SINK nested WITH ('connector' = 'filesystem', 'path' = 'out/nested.ndjson', 'format' = 'json') AS
SELECT id, at, place, times FROM objects;

CREATE SINK casts WITH ('connector' = 'filesystem', 'path' = 'out/casts.ndjson', 'format' = 'json') AS
SELECT id, CAST(times AS ARRAY<VARCHAR>) AS texts, CAST(times AS ARRAY<TIMESTAMP(3)>) AS walls, CAST(times AS ARRAY<DATE>) AS days,
  CAST(CAST(times AS ARRAY<TIMESTAMP(3)>) AS ARRAY<TIMESTAMP_LTZ(3)>) AS back, CAST(ARRAY[`text`] AS ARRAY<TIMESTAMP_LTZ(3)>) AS `read`,
  TRY_CAST(`text` AS TIMESTAMP_LTZ(3)) AS `try`, TRY_CAST(`text` || '?' AS TIMESTAMP_LTZ(3)) AS nothing, CAST(ARRAY[place.open] AS ARRAY<VARCHAR>) AS `open`
FROM objects;
