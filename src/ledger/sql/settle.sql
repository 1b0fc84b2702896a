-- LNbits calls these paid. The first word settles a payment, any other changes nothing; what was forgotten stays so.
INSERT INTO payments (hash, route, sats, payer, wallet, minted_unix, seen_ms, settled_ms)
SELECT value ->> 'hash', value ->> 'route', value ->> 'sats', value ->> 'payer', ?1 ->> 'wallet', value ->> 'minted_unix',
  ?1 ->> 'now_ms', min(?1 ->> 'now_ms', coalesce(unixepoch(value ->> 'settled') * 1000, ?1 ->> 'now_ms'))
FROM json_each(?1, '$.receipts')
WHERE value ->> 'minted_unix' >= (SELECT coalesce(max(value), 0) FROM meta WHERE key = 'forgotten_unix')
ON CONFLICT (hash) DO UPDATE SET route = excluded.route, sats = excluded.sats, payer = excluded.payer,
  wallet = excluded.wallet, minted_unix = excluded.minted_unix, settled_ms = excluded.settled_ms
WHERE payments.settled_ms IS NULL;
INSERT INTO days (day, route, sats, payments)
SELECT date(settled_ms / 1000, 'unixepoch'), route, sum(sats), count(*)
FROM payments WHERE is_counted = 0 AND settled_ms IS NOT NULL GROUP BY 1, 2
ON CONFLICT (day, route) DO UPDATE SET sats = sats + excluded.sats, payments = payments + excluded.payments;
-- A ledger that is new to an old wallet does not tell of what is long past.
INSERT INTO callbacks (hash, body, made_ms, next_ms)
SELECT hash, json_object('paymentHash', hash, 'amountSats', sats, 'endpoint', route, 'settledAt', settled_ms / 1000,
  'clientId', payer), ?1 ->> 'now_ms', ?1 ->> 'now_ms'
FROM payments WHERE is_counted = 0 AND settled_ms IS NOT NULL AND ?1 ->> 'tells'
  AND minted_unix >= (SELECT value - 86400 FROM meta WHERE key = 'born_unix');
UPDATE payments SET is_counted = 1 WHERE is_counted = 0 AND settled_ms IS NOT NULL
