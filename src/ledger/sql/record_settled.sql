-- Records the payments in receipts. LNbits reports all of them as paid. The first report settles a payment; later
-- reports change nothing. A settlement time that cannot be parsed or is in the future is replaced with the current
-- time. A settlement time before the timestamp of the invoice is replaced with this timestamp. A payment whose invoice
-- is older than pruned_unix is ignored, because it may have been counted and deleted.
INSERT INTO payments (hash, route, sats, payer, wallet, minted_unix, host, uses, fiat, seen_ms, settled_ms)
SELECT value ->> 'hash', value ->> 'route', value ->> 'sats', value ->> 'payer', ?1 ->> 'wallet', value ->> 'minted_unix',
  value ->> 'host', value ->> 'uses', value ->> 'fiat', ?1 ->> 'now_ms', max(value ->> 'minted_unix' * 1000,
    min(?1 ->> 'now_ms', coalesce(unixepoch(value ->> 'settled', 'auto') * 1000, ?1 ->> 'now_ms')))
FROM json_each(?1, '$.receipts')
WHERE value ->> 'minted_unix' >= (SELECT coalesce(max(value), 0) FROM meta WHERE key = 'pruned_unix')
ON CONFLICT (hash) DO UPDATE SET route = excluded.route, sats = excluded.sats, payer = excluded.payer,
  wallet = excluded.wallet, minted_unix = excluded.minted_unix, host = excluded.host, uses = excluded.uses,
  fiat = excluded.fiat, settled_ms = excluded.settled_ms
WHERE payments.settled_ms IS NULL;
-- Deletes unsettled rows of payments that LNbits reports as paid, because such a payment must not count as unsettled.
-- Such a row exists if a client used the credential of a payment that was pruned: record_seen.sql then inserted the
-- payment again.
DELETE FROM payments WHERE settled_ms IS NULL AND hash IN (SELECT value ->> 'hash' FROM json_each(?1, '$.receipts'));
INSERT INTO routes (route, sats, payments)
SELECT route, sum(sats), count(*) FROM payments WHERE is_counted = 0 AND settled_ms IS NOT NULL GROUP BY 1
ON CONFLICT (route) DO UPDATE SET sats = sats + excluded.sats, payments = payments + excluded.payments;
INSERT INTO hours (hour_ms, sats, payments)
SELECT settled_ms / 3600000 * 3600000, sum(sats), count(*)
FROM payments WHERE is_counted = 0 AND settled_ms IS NOT NULL GROUP BY 1
ON CONFLICT (hour_ms) DO UPDATE SET sats = sats + excluded.sats, payments = payments + excluded.payments;
INSERT INTO days (day, sats, payments)
SELECT date(settled_ms / 1000, 'unixepoch'), sum(sats), count(*)
FROM payments WHERE is_counted = 0 AND settled_ms IS NOT NULL GROUP BY 1
ON CONFLICT (day) DO UPDATE SET sats = sats + excluded.sats, payments = payments + excluded.payments;
UPDATE meta SET value = value + (
  SELECT count(DISTINCT +payer) FROM payments
  WHERE is_counted = 0 AND settled_ms IS NOT NULL AND payer NOT IN (SELECT payer FROM payers)
) WHERE key = 'payers';
-- The plus sign in `+payer` keeps SQLite from using the index payments_by_payer. With that index, it would read all
-- payments.
INSERT INTO payers (payer, payments)
SELECT payer, count(*) FROM payments WHERE is_counted = 0 AND settled_ms IS NOT NULL AND payer IS NOT NULL GROUP BY +payer
ON CONFLICT (payer) DO UPDATE SET payments = payments + excluded.payments;
-- A new ledger also records payments that its wallet received earlier. No callback is sent for a payment whose invoice
-- is more than a day older than the ledger.
INSERT INTO callbacks (hash, body, since_ms, next_ms)
SELECT hash, json_object('paymentHash', hash, 'amountSats', sats, 'endpoint', route, 'settledAt', settled_ms / 1000,
  'clientId', payer), ?1 ->> 'now_ms', ?1 ->> 'now_ms'
FROM payments WHERE is_counted = 0 AND settled_ms IS NOT NULL AND ?1 ->> 'has_callback'
  AND minted_unix >= (SELECT value - 86400 FROM meta WHERE key = 'created_unix')
ON CONFLICT (hash) DO NOTHING;
UPDATE payments SET is_counted = 1 WHERE is_counted = 0 AND settled_ms IS NOT NULL
