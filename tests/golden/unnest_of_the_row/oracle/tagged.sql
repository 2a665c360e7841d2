-- rows: carts = carts.ndjson
SELECT id FROM carts WHERE 'b' IN (SELECT UNNEST(tags))