-- A bank's export: semicolons, decimal commas, Latin-1, dates of the country, quotes inside of fields, one that nobody closed
-- (line 5 is a dead letter, line 6 is read), columns that the file has not (note) and that nobody declared (Saldo).
CREATE SOURCE bookings (
  "Datum" DATE, "Wer" VARCHAR, "Betrag" DECIMAL(10, 2), note VARCHAR, "Zeit" TIMESTAMP(3), "bar" BOOLEAN, "Nr" INT,
  WATERMARK FOR "Zeit" AS "Zeit"
) WITH (
  'connector' = 'filesystem', 'path' = 'input.csv', 'format' = 'csv', 'csv.field-delimiter' = ';',
  'csv.decimal-separator' = ',', 'csv.thousands-separator' = '.', 'csv.encoding' = 'ISO-8859-1', 'csv.allow-comments' = 'true',
  'date.format' = 'dd.MM.yyyy', 'timestamp.format' = 'dd.MM.yyyy HH:mm', 'csv.null-literal' = '-'
);

CREATE SINK result WITH ('connector' = 'filesystem', 'path' = 'out/result.csv', 'format' = 'csv') AS
SELECT * FROM bookings;

-- The same dialect, written.
CREATE SINK again WITH (
  'connector' = 'filesystem', 'path' = 'out/again.csv', 'format' = 'csv', 'csv.field-delimiter' = ';',
  'csv.decimal-separator' = ',', 'csv.quote-character' = '''', 'csv.escape-character' = '\', 'csv.null-literal' = '-'
) AS SELECT "Wer", "Betrag", "bar" FROM bookings;
