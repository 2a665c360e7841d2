-- UNNEST in a subquery, of an array of the row outside, and of a literal: in EXISTS, IN, a value, LATERAL. Rows with equal arrays, empty
-- ones and NULL are told apart by what they hold. A field of an item stands behind a dot.
CREATE SOURCE carts (id BIGINT, least BIGINT, tags ARRAY<STRING>, items ARRAY<ROW<n BIGINT, name STRING>>)
WITH ('connector' = 'filesystem', 'path' = 'carts.ndjson', 'format' = 'json');

CREATE SINK exists_item WITH ('connector' = 'filesystem', 'path' = 'out/exists_item.ndjson', 'format' = 'json') AS
SELECT id FROM carts c WHERE EXISTS (SELECT 1 FROM UNNEST(c.items) AS u (n, name) WHERE u.n > c.least);
CREATE SINK no_item WITH ('connector' = 'filesystem', 'path' = 'out/no_item.ndjson', 'format' = 'json') AS
SELECT id FROM carts WHERE NOT EXISTS (SELECT 1 FROM UNNEST(items) AS u);
CREATE SINK tagged WITH ('connector' = 'filesystem', 'path' = 'out/tagged.ndjson', 'format' = 'json') AS
SELECT id FROM carts WHERE 'b' IN (SELECT tag FROM UNNEST(tags) AS u (tag));
CREATE SINK totals WITH ('connector' = 'filesystem', 'path' = 'out/totals.ndjson', 'format' = 'json') AS
SELECT id, (SELECT SUM(u.n) FROM UNNEST(c.items) AS u (n, name)) AS total, (SELECT COUNT(*) FROM UNNEST(c.tags) AS u (tag) WHERE tag <> 'a') AS others,
  (SELECT MAX(u.tag) FROM UNNEST(c.tags) WITH ORDINALITY AS u (tag, at) WHERE u.at <= c.least) AS early FROM carts c;
CREATE SINK twice WITH ('connector' = 'filesystem', 'path' = 'out/twice.ndjson', 'format' = 'json') AS
SELECT c.id, x.name FROM carts c CROSS JOIN LATERAL (SELECT u.name || '!' AS name FROM UNNEST(c.items) AS u (n, name) WHERE u.n = c.least) x;
CREATE SINK fields WITH ('connector' = 'filesystem', 'path' = 'out/fields.ndjson', 'format' = 'json') AS
SELECT c.id, items[1].name AS first, c.items[2].N AS second, (items[1]).n + 1 AS more FROM carts c;
CREATE SINK literal WITH ('connector' = 'filesystem', 'path' = 'out/literal.ndjson', 'format' = 'json') AS
SELECT x, x * 2 AS twice FROM UNNEST(ARRAY[1, 2, 3]) AS u (x) WHERE x <> 2;
CREATE SINK one_of WITH ('connector' = 'filesystem', 'path' = 'out/one_of.ndjson', 'format' = 'json') AS
SELECT id FROM carts WHERE id IN (SELECT x FROM UNNEST(ARRAY[2, 3]) AS u (x));

-- A CASE of whole numbers of two types.
CREATE SOURCE texts (s VARCHAR) WITH ('connector' = 'filesystem', 'path' = 'texts.ndjson', 'format' = 'json');
CREATE SINK lengths WITH ('connector' = 'filesystem', 'path' = 'out/lengths.ndjson', 'format' = 'json') AS
SELECT s, item FROM texts, UNNEST(ARRAY[CHAR_LENGTH(s), CASE WHEN s IS NULL THEN CHAR_LENGTH(s) ELSE 3000000000 END]) AS u (item);
