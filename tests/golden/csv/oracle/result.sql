SELECT "user", page, epoch_ms(floor(epoch_ms(ts) / 10000)::BIGINT * 10000 + 10000) AS window_end, COUNT(*) AS n, SUM(ms) AS total
FROM read_csv('input.csv', nullstr='', columns={'user': 'VARCHAR', 'page': 'VARCHAR', 'ms': 'DOUBLE', 'ts': 'TIMESTAMP'}) GROUP BY 1, 2, 3
