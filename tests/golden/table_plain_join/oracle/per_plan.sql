-- accepted: clicks = input.ndjson, ts, 5000, 0

SELECT u."plan", COUNT(*) AS clicks FROM clicks c LEFT JOIN read_csv('users.csv', columns={'id': 'VARCHAR', 'plan': 'VARCHAR', 'score': 'BIGINT'}) u ON c."user" = u.id GROUP BY u."plan"
