-- rows: clicks = input.ndjson
SELECT id, who.name AS name, UPPER(who.address.city) AS city, tags, who FROM clicks
