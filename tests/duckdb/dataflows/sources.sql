-- accepted: clicks = dataflows/data/clicks.ndjson, ts, 5000, 0
SELECT user_id, COUNT(*) AS requests FROM clicks GROUP BY user_id ORDER BY requests DESC, user_id LIMIT 5
