-- accepted: clicks = dataflows/data/clicks.ndjson, ts, 5000, 0
SELECT user_id, page, status, ts FROM clicks QUALIFY ROW_NUMBER() OVER (PARTITION BY user_id ORDER BY ts DESC, position DESC) = 1
