-- accepted: clicks = dataflows/data/clicks.ndjson, ts, 5000, 0
SELECT c.user_id, u.name, u.country, c.page, c.status, c.duration_ms, c.ts
FROM clicks c LEFT JOIN read_csv('dataflows/data/users.csv') u ON c.user_id = u.id WHERE u.role IS DISTINCT FROM 'staff'
