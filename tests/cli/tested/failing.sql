-- Tests that fail, for what is said of them: see `tests/cli/tested.rs`.
CREATE SOURCE bids (kind VARCHAR, price DOUBLE, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND)
WITH ('connector' = 'http');
CREATE MATERIALIZED VIEW totals AS
SELECT kind, window_end, COUNT(*) AS n, SUM(price) AS total
FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY kind, window_start, window_end;

-- test: this one passes
-- expect totals

-- test: rows are missing, and others are there
-- input bids
--   kind   | price | ts
--   chairs | 1.5   | 2026-01-01 12:00:01
--   desks  | 20    | 2026-01-01 12:00:02
--   desks  | NULL  | 2026-01-01 12:00:02
--   lamps  | 7     | 2026-01-01 12:00:30
-- expect totals
--   kind   | window_end          | n | total
--   chairs | 2026-01-01 12:00:10 | 1 | 1.50
--   desks  | 2026-01-01 12:00:10 | 1 | 20
-- expect changes totals
--   _op    | kind
--   insert | chairs

-- test: a column is not there
-- expect totals
--   kind | sum

-- test: a value is none
-- expect totals
--   n
--   many

-- test: a source is not there
-- input bid
--   kind
--   a

-- test: the clock does not go back
-- at 2026-01-01 12:00:00
-- at 11:00

-- test: an error is expected
-- expect dead letters totals
--   reason
--   evaluation
