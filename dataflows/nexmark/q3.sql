-- Nexmark q3, local item suggestion: who sells in category 10 from Oregon, Idaho or California, and what.
--
--   highwater run dataflows/nexmark/q3.sql --exit-at-end --no-serve
--
-- The sink takes the result and forgets it; write 'print' for 'blackhole' to see it.

CREATE TABLE auction (
  WATERMARK FOR `dateTime` AS `dateTime` - INTERVAL '4' SECOND
) WITH ('connector' = 'nexmark', 'table' = 'auction', 'events.num' = '1000000');

CREATE TABLE person (
  WATERMARK FOR `dateTime` AS `dateTime` - INTERVAL '4' SECOND
) WITH ('connector' = 'nexmark', 'table' = 'person', 'events.num' = '1000000');

CREATE SINK q3 WITH ('connector' = 'blackhole') AS
SELECT P.name, P.city, P.state, A.id
FROM auction AS A INNER JOIN person AS P ON A.seller = P.id
WHERE A.category = 10 AND (P.state = 'OR' OR P.state = 'ID' OR P.state = 'CA');
