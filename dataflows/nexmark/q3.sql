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

-- test: a seller who comes after the auction is found, others' states and categories are not
-- input auction
--   id | seller | category | dateTime
--   1  | 7      | 10       | 2026-01-01 12:00:00
--   2  | 7      | 11       | 2026-01-01 12:00:00
--   3  | 8      | 10       | 2026-01-01 12:00:00
--   4  | 9      | 10       | 2026-01-01 12:00:00
-- expect q3
-- input person
--   id | name | city     | state | dateTime
--   7  | ann  | Portland | OR    | 2026-01-01 12:00:01
--   8  | bob  | Phoenix  | AZ    | 2026-01-01 12:00:01
-- expect q3
--   name | city     | state | id
--   ann  | Portland | OR    | 1
-- input auction
--   id | seller | category | dateTime
--   5  | 7      | 10       | 2026-01-01 12:00:02
-- expect changes q3
--   _op    | name | city     | state | id
--   insert | ann  | Portland | OR    | 1
--   insert | ann  | Portland | OR    | 5
