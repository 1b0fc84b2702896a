-- For each code, the number of refused requests and the time of the last one. Before, the table meta had the count of
-- one code only.
CREATE TABLE refusals (code TEXT PRIMARY KEY, requests INTEGER NOT NULL, last_ms INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO refusals (code, requests, last_ms)
SELECT 'too_many_invoices', value, (SELECT value FROM meta WHERE key = 'no_invoice_left_ms')
FROM meta WHERE key = 'no_invoice_left';
DELETE FROM meta WHERE key IN ('no_invoice_left', 'no_invoice_left_ms')
