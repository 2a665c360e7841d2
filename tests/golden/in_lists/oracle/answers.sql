-- accepted: clicks = input.ndjson, ts, 5000, 0

SELECT "user", page, "user" NOT IN ('ann', 'bob') OR "user" NOT IN ('cy') AS neither,
  "user" IN ('ann') AND "user" IN ('bob', 'cy') AS both, NOT ("user" IN ('ann', 'bob') AND "user" IN ('cy')) AS not_both,
  ("user" = 'ann' OR "user" = 'bob') AND "user" NOT IN ('bob', 'ann') AS gone,
  "user" NOT IN ('ann', NULL) OR "user" NOT IN ('bob') AS unknown, "user" IN ('ann', 'bob') AND "user" IN ('bob', 'cy') AS bob,
  page IN ('/a', '/' || "user") AND page IN ('/' || "user", '/b') AS pages
FROM clicks
