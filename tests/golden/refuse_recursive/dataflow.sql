-- What the step of a recursion may not do, each with what to write instead.
CREATE SOURCE edges (
  src VARCHAR, dst VARCHAR, qty BIGINT, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'edges.ndjson', 'format' = 'json');

CREATE SINK no_start WITH ('connector' = 'blackhole') AS
WITH RECURSIVE r AS (SELECT r.src FROM r JOIN edges e ON e.src = r.src)
SELECT src FROM r;

CREATE SINK start_reads WITH ('connector' = 'blackhole') AS
WITH RECURSIVE r AS (SELECT src FROM edges UNION ALL SELECT src FROM r WHERE src > 'b' UNION ALL SELECT src FROM r)
SELECT src FROM r;

CREATE SINK twice WITH ('connector' = 'blackhole') AS
WITH RECURSIVE r AS (SELECT src, dst FROM edges UNION SELECT a.src, b.dst FROM r a JOIN r b ON a.dst = b.src)
SELECT src FROM r;

CREATE SINK grouped WITH ('connector' = 'blackhole') AS
WITH RECURSIVE r (dst, n) AS (SELECT dst, qty FROM edges UNION SELECT e.dst, MIN(r.n) FROM r JOIN edges e ON e.src = r.dst GROUP BY e.dst)
SELECT dst FROM r;

CREATE SINK aggregated WITH ('connector' = 'blackhole') AS
WITH RECURSIVE r (n) AS (SELECT qty FROM edges UNION SELECT SUM(n) FROM r)
SELECT n FROM r;

CREATE SINK distinct_step WITH ('connector' = 'blackhole') AS
WITH RECURSIVE r (dst) AS (SELECT dst FROM edges UNION ALL SELECT DISTINCT e.dst FROM r JOIN edges e ON e.src = r.dst)
SELECT dst FROM r;

CREATE SINK missing_side WITH ('connector' = 'blackhole') AS
WITH RECURSIVE r (dst) AS (SELECT dst FROM edges UNION SELECT e.dst FROM edges e LEFT JOIN r ON e.src = r.dst)
SELECT dst FROM r;

CREATE SINK not_in_it WITH ('connector' = 'blackhole') AS
WITH RECURSIVE r (dst) AS (SELECT dst FROM edges UNION SELECT e.dst FROM edges e WHERE NOT EXISTS (SELECT 1 FROM r WHERE r.dst = e.src))
SELECT dst FROM r;

CREATE SINK existence WITH ('connector' = 'blackhole') AS
WITH RECURSIVE r (dst) AS (SELECT dst FROM edges UNION ALL SELECT e.dst FROM edges e WHERE e.src IN (SELECT dst FROM r))
SELECT dst FROM r;

CREATE SINK branch WITH ('connector' = 'blackhole') AS
WITH RECURSIVE r (dst) AS (SELECT dst FROM edges UNION ALL (SELECT e.dst FROM r JOIN edges e ON e.src = r.dst WHERE r.dst > e.dst UNION ALL SELECT src FROM edges))
SELECT dst FROM r;

CREATE SINK ranked WITH ('connector' = 'blackhole') AS
WITH RECURSIVE r (dst, qty) AS (SELECT dst, qty FROM edges UNION SELECT dst, qty FROM (SELECT e.dst, e.qty, ROW_NUMBER() OVER (PARTITION BY e.dst ORDER BY e.qty) AS rn FROM r JOIN edges e ON e.src = r.dst) WHERE rn <= 2)
SELECT dst FROM r;

CREATE SINK columns WITH ('connector' = 'blackhole') AS
WITH RECURSIVE r (dst) AS (SELECT dst FROM edges UNION SELECT e.src, e.dst FROM r JOIN edges e ON e.src = r.dst)
SELECT dst FROM r;

SET 'recursion.max-iterations' = 'many';
