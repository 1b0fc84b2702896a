-- How many requests got each code of a refusal, and when the last one was. The count of one code was in the table meta.
CREATE TABLE refusals (code TEXT PRIMARY KEY, requests INTEGER NOT NULL, last_ms INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO refusals (code, requests, last_ms)
SELECT 'too_many_invoices', value, (SELECT value FROM meta WHERE key = 'no_invoice_left_ms')
FROM meta WHERE key = 'no_invoice_left';
DELETE FROM meta WHERE key IN ('no_invoice_left', 'no_invoice_left_ms')
