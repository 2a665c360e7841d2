-- rows: carts = carts.ndjson
SELECT id FROM carts c WHERE EXISTS (SELECT 1 FROM (SELECT UNNEST(c.items) AS i) u WHERE u.i.n > c.least)