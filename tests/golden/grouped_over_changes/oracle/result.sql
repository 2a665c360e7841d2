-- accepted: clicks = input.ndjson, ts, 5000, 0

SELECT n, COUNT(*) AS users, MAX(worst) AS worst, MIN("user") AS first_user
FROM (SELECT "user", COUNT(*) AS n, MAX(ms) AS worst FROM clicks GROUP BY "user", floor(epoch_ms(ts) / 10000)) GROUP BY n
