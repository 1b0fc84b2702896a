INSERT INTO routes (route, paid, free, challenged, refused)
SELECT value ->> '$[0]', value ->> '$[1][0]', value ->> '$[1][1]', value ->> '$[1][2]', value ->> '$[1][3]'
-- Without WHERE, SQLite parses ON CONFLICT as a join constraint.
FROM json_each(?1, '$.routes') WHERE true
ON CONFLICT (route) DO UPDATE SET paid = paid + excluded.paid, free = free + excluded.free,
  challenged = challenged + excluded.challenged, refused = refused + excluded.refused;
-- How often the limit invoices_per_minute was reached, and when it was last reached.
INSERT INTO meta (key, value)
SELECT 'no_invoice_left', ?1 ->> 'no_invoice_left' WHERE ?1 ->> 'no_invoice_left' > 0
ON CONFLICT (key) DO UPDATE SET value = value + excluded.value;
INSERT INTO meta (key, value)
SELECT 'no_invoice_left_ms', ?1 ->> 'now_ms' WHERE ?1 ->> 'no_invoice_left' > 0
ON CONFLICT (key) DO UPDATE SET value = excluded.value
