-- accepted: clicks = input.ndjson, ts, 5000, 0

SELECT "user", page FROM clicks WHERE page IN ("user", '/a', '/b') AND page IN (page, "user", '/c')
