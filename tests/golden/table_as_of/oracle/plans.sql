-- accepted: clicks = input.ndjson, ts, 5000, 0

SELECT u."plan", epoch_ms(floor(epoch_ms(ts) / 10000)::BIGINT * 10000) AS window_start, COUNT(*) AS clicks, SUM(u.score) AS score
FROM clicks c JOIN read_csv('users.csv', columns={'id': 'VARCHAR', 'plan': 'VARCHAR', 'score': 'BIGINT'}) u ON c."user" = u.id WHERE u."plan" <> 'staff' AND c.ms > u.score
GROUP BY 1, 2
