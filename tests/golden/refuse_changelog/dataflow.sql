-- What does not go with rows that come and go is refused, each at its place.
CREATE SOURCE no_key (id INT, v INT) WITH ('connector' = 'filesystem', 'path' = 'input.ndjson', 'format' = 'json', 'changelog' = 'upsert');
CREATE SOURCE no_kind (id INT, v INT) WITH ('connector' = 'filesystem', 'path' = 'input.ndjson', 'format' = 'json', 'changelog' = 'diff');
CREATE SOURCE no_changes (id INT, v INT) WITH ('connector' = 'filesystem', 'path' = 'input.ndjson', 'format' = 'json', 'changelog.op' = 'op');
CREATE SOURCE no_text (id INT, _op INT) WITH ('connector' = 'filesystem', 'path' = 'input.ndjson', 'format' = 'json', 'changelog' = 'retract');
CREATE SOURCE arrives (id INT, p AS PROCTIME()) WITH ('connector' = 'filesystem', 'path' = 'input.ndjson', 'format' = 'json', 'changelog' = 'retract');
CREATE SOURCE maps (id INT, m MAP<STRING, INT>) WITH ('connector' = 'filesystem', 'path' = 'input.ndjson', 'format' = 'json', 'changelog' = 'retract');
CREATE SOURCE headers (id INT, h VARCHAR METADATA FROM 'headers.h') WITH ('connector' = 'http', 'format' = 'json', 'changelog' = 'retract');
CREATE SOURCE twice (id INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH ('connector' = 'http', 'format' = 'json', 'changelog' = 'retract', 'dedup.key' = 'id');
CREATE TABLE first_rows (id INT PRIMARY KEY) WITH ('path' = 'input.ndjson', 'changelog' = 'upsert');
CREATE SOURCE prices (id INT, price DOUBLE, ts TIMESTAMP(3), PRIMARY KEY (id) NOT ENFORCED, WATERMARK FOR ts AS ts)
  WITH ('connector' = 'filesystem', 'path' = 'input.ndjson', 'format' = 'json', 'changelog' = 'upsert');
CREATE SOURCE sales (id INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH ('connector' = 'filesystem', 'path' = 'input.ndjson', 'format' = 'json');
CREATE SINK versions WITH ('connector' = 'filesystem', 'path' = 'out/versions.ndjson', 'format' = 'json') AS
SELECT s.id, p.price FROM sales s JOIN prices FOR SYSTEM_TIME AS OF s.ts AS p ON s.id = p.id;
CREATE SINK matches WITH ('connector' = 'filesystem', 'path' = 'out/matches.ndjson', 'format' = 'json') AS
SELECT * FROM prices MATCH_RECOGNIZE (PARTITION BY id ORDER BY ts MEASURES A.price AS price PATTERN (A) DEFINE A AS A.price > 1);
CREATE SINK arrivals WITH ('connector' = 'filesystem', 'path' = 'out/arrivals.ndjson', 'format' = 'json') AS
SELECT id, PROCTIME() AS p FROM prices;
