-- accepted: clicks = input.ndjson, ts, 5000, 0

SELECT c."user", c.page, c.ts, u."plan", u.score
FROM clicks c LEFT JOIN read_csv('users.csv', columns={'id': 'VARCHAR', 'plan': 'VARCHAR', 'score': 'BIGINT'}) u ON c."user" = u.id AND c.page <> 'c'
