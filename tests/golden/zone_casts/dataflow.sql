-- Instants and what the clocks of Berlin show: where they meet one becomes the other by the rules of the zone.
SET 'table.local-time-zone' = 'Europe/Berlin';
CREATE SOURCE s (k VARCHAR, n BIGINT, ts TIMESTAMP_LTZ(3), plain TIMESTAMP(3), txt VARCHAR, WATERMARK FOR ts AS ts - INTERVAL '1' SECOND)
WITH ('connector' = 'filesystem', 'path' = 'input.ndjson', 'format' = 'json');
CREATE SINK casts WITH ('connector' = 'filesystem', 'path' = 'out/casts.ndjson', 'format' = 'json') AS SELECT k, ts, CAST(plain AS TIMESTAMP_LTZ(3)) AS a, CAST(txt AS TIMESTAMP_LTZ(3)) AS b, TO_TIMESTAMP_LTZ(n, 3) AS c, TO_TIMESTAMP_LTZ(txt) AS d,
  COALESCE(ts, CAST(plain AS TIMESTAMP_LTZ(3))) AS e, CASE WHEN n > 0 THEN ts ELSE NULL END AS f,
  ts = plain AS h, YEAR(ts) AS y, ts BETWEEN '2024-07-01 00:00:00' AND '2024-07-02' AS i, CAST(ts AS TIME) AS tm,
  CAST('2024-01-01 00:00:00' AS TIMESTAMP_LTZ(3)) AS lit, ts - INTERVAL '1' MONTH AS back, MAX(ts) OVER (PARTITION BY k ORDER BY ts ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS m,
  CAST(DATE '2024-07-01' AS TIMESTAMP_LTZ(3)) AS dd, UNIX_TIMESTAMP('1970-01-02 01:00:00') AS ut, plain IN (ts) AS inn FROM s;
CREATE SINK sessions WITH ('connector' = 'filesystem', 'path' = 'out/sessions.ndjson', 'format' = 'json') AS SELECT k, window_start, window_end, MAX(ts) AS m, MIN(plain) AS p FROM TABLE(SESSION(TABLE s PARTITION BY k, DESCRIPTOR(ts), INTERVAL '1' HOUR)) GROUP BY k, window_start, window_end;
CREATE SINK both WITH ('connector' = 'filesystem', 'path' = 'out/both.ndjson', 'format' = 'json') AS SELECT ts, 'a' AS b FROM s UNION ALL SELECT plain, 'b' FROM s;
CREATE SINK first WITH ('connector' = 'filesystem', 'path' = 'out/first.ndjson', 'format' = 'json') AS SELECT * FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY ts) AS rn FROM s) WHERE rn = 1;
CREATE SINK pairs WITH ('connector' = 'filesystem', 'path' = 'out/pairs.ndjson', 'format' = 'json') AS SELECT a.k, a.ts, b.ts AS bts FROM s a JOIN s b ON a.k = b.k AND b.ts BETWEEN a.ts AND a.ts + INTERVAL '1' HOUR;
CREATE SINK matches WITH ('connector' = 'filesystem', 'path' = 'out/matches.ndjson', 'format' = 'json') AS SELECT * FROM s MATCH_RECOGNIZE (PARTITION BY k ORDER BY ts MEASURES MATCH_ROWTIME() AS mt, FIRST(A.ts) AS ft PATTERN (A B) WITHIN INTERVAL '1' HOUR DEFINE A AS n > 0);
