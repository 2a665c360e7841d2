-- rows: moments = input.ndjson

WITH shown AS (SELECT n, "zone", ts, ts AT TIME ZONE 'UTC' AT TIME ZONE "zone" AS shown,
  [m FOR m IN [0, 20, 30, 40, 45, 60, 120, 1440] IF (ts - to_minutes(m)) AT TIME ZONE 'UTC' AT TIME ZONE "zone" = ts AT TIME ZONE 'UTC' AT TIME ZONE "zone"] AS twice FROM moments)
SELECT n, "zone", ts, shown, ts - to_minutes(list_max(twice)) AS back, strftime(shown, '%Y-%m-%d %H:%M:%S') AS text FROM shown
