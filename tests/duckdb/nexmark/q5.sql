WITH counts AS (
  SELECT auction, COUNT(*) AS num, start FROM (
    SELECT auction, unnest(generate_series(floor(epoch_ms("dateTime") / 2000)::BIGINT * 2000 - 8000, floor(epoch_ms("dateTime") / 2000)::BIGINT * 2000, 2000)) AS start
    FROM bid) GROUP BY auction, start)
SELECT auction, num FROM counts QUALIFY num = MAX(num) OVER (PARTITION BY start)
