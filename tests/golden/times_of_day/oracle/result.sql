-- rows: shifts = input.ndjson
SELECT name, hour(t::TIME) AS h, minute(t::TIME) AS mi, second(t::TIME) AS se, extract('hour' FROM t::TIME) AS eh,
  extract('minute' FROM t::TIME) AS emi, extract('second' FROM t::TIME) AS ese, extract('millisecond' FROM t::TIME) % 1000 AS ems,
  date_trunc('hour', DATE '1970-01-01' + t::TIME)::TIME AS fh, date_trunc('minute', DATE '1970-01-01' + t::TIME)::TIME AS fmi,
  date_trunc('second', DATE '1970-01-01' + t::TIME)::TIME AS fse,
  date_trunc('hour', DATE '1970-01-01' + t::TIME + INTERVAL 3599999 MILLISECOND)::TIME AS ch,
  date_trunc('minute', DATE '1970-01-01' + t::TIME + INTERVAL 59999 MILLISECOND)::TIME AS cmi,
  date_trunc('second', DATE '1970-01-01' + t::TIME + INTERVAL 999 MILLISECOND)::TIME AS cse,
  t::TIME + to_hours(n::BIGINT) AS later, t::TIME - to_seconds(n::BIGINT) AS earlier, t::TIME + INTERVAL 90 MINUTE AS added,
  t::TIME - INTERVAL 90 MINUTE AS taken, trunc(date_sub('millisecond', t::TIME, u::TIME) / 60000)::BIGINT AS minutes,
  trunc(date_sub('millisecond', u::TIME, t::TIME) / 3600000)::BIGINT AS hours, dt::DATE + t::TIME AS at,
  t::TIME < u::TIME AS before, t AS text
FROM shifts
