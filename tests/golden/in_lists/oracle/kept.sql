-- accepted: clicks = input.ndjson, ts, 5000, 0

SELECT "user", page, ms FROM clicks WHERE "user" NOT IN ('ann', 'bob') OR "user" NOT IN ('cy', 'dan')
