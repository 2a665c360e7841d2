-- ON of an outer join with subqueries that read both of its sides: what meets is asked for each pair, and no row is lost.
CREATE SOURCE a (k BIGINT, x BIGINT) WITH ('connector' = 'filesystem', 'path' = 'a.ndjson', 'format' = 'json');
CREATE SOURCE b (k BIGINT, y BIGINT) WITH ('connector' = 'filesystem', 'path' = 'b.ndjson', 'format' = 'json');
CREATE SOURCE c (k BIGINT, z BIGINT) WITH ('connector' = 'filesystem', 'path' = 'c.ndjson', 'format' = 'json');

CREATE SINK there WITH ('connector' = 'filesystem', 'path' = 'out/there.ndjson', 'format' = 'json') AS
SELECT a.k, a.x, b.k AS k2, b.y FROM a LEFT JOIN b ON a.k = b.k AND EXISTS (SELECT 1 FROM c WHERE c.k = a.k AND c.z < b.y);

CREATE SINK sums WITH ('connector' = 'filesystem', 'path' = 'out/sums.ndjson', 'format' = 'json') AS
SELECT a.k, a.x, b.k AS k2, b.y FROM a LEFT JOIN b ON a.x + b.y IN (SELECT c.k FROM c);

CREATE SINK turned WITH ('connector' = 'filesystem', 'path' = 'out/turned.ndjson', 'format' = 'json') AS
SELECT a.k, a.x, b.k AS k2, b.y FROM a RIGHT JOIN b ON a.k = b.k AND b.y >= (SELECT MAX(c.z) FROM c WHERE c.k = a.k AND c.z >= a.x) AND a.x > 0;

CREATE SINK without WITH ('connector' = 'filesystem', 'path' = 'out/without.ndjson', 'format' = 'json') AS
SELECT a.k, a.x, b.k AS k2, b.y FROM a LEFT JOIN b ON NOT EXISTS (SELECT 1 FROM c WHERE c.k = a.k AND c.z = b.y) AND a.x < b.y;

CREATE SINK counted WITH ('connector' = 'filesystem', 'path' = 'out/counted.ndjson', 'format' = 'json') AS
SELECT a.k, COUNT(*) AS n, COUNT(b.y) AS met FROM a LEFT JOIN b ON a.x NOT IN (SELECT c.z FROM c WHERE c.k <= b.k) GROUP BY a.k;
