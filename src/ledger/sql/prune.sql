-- Deletes old rows. The sums of routes, hours and days stay. before_unix is saved as pruned_unix. record_settled.sql
-- ignores payments whose invoices are older than pruned_unix, so that it does not count a deleted payment again.
-- The first statement deletes once a day, because it reads all clients of observed routes.
DELETE FROM observed_clients WHERE day < date(?1 ->> 'before_unix', 'unixepoch') AND route IN (
  SELECT route FROM observed WHERE key = 'clients' AND date(?1 ->> 'before_unix', 'unixepoch') IS NOT (
    SELECT date(value, 'unixepoch') FROM meta WHERE key = 'pruned_unix'
  )
);
INSERT INTO meta (key, value) VALUES ('pruned_unix', ?1 ->> 'before_unix')
ON CONFLICT (key) DO UPDATE SET value = max(value, excluded.value);
-- The plus sign in `+payer` keeps SQLite from using the index payments_by_payer, with which it would read all payments.
UPDATE payers SET payments = payers.payments - old.payments FROM (
  SELECT payer, count(*) AS payments FROM payments WHERE settled_ms < ?1 ->> 'before_unix' * 1000 GROUP BY +payer
) AS old WHERE payers.payer = old.payer;
UPDATE meta SET value = value - (SELECT count(*) FROM payers WHERE payments = 0) WHERE key = 'payers';
DELETE FROM payers WHERE payments = 0;
DELETE FROM payments WHERE settled_ms < ?1 ->> 'before_unix' * 1000;
DELETE FROM payments INDEXED BY payments_unsettled WHERE settled_ms IS NULL AND seen_ms < ?1 ->> 'before_unix' * 1000;
DELETE FROM callbacks INDEXED BY callbacks_given_up WHERE next_ms IS NULL AND since_ms < ?1 ->> 'before_unix' * 1000
