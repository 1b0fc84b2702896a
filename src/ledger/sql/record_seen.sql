-- Records that a client sent a credential for a payment, which does not settle the payment. If the result is 'seen',
-- the Worker looks the payment up at once, so looked_up_ms is the current time.
INSERT INTO payments (hash, route, sats, payer, wallet, seen_ms, looked_up_ms)
VALUES (?1 ->> 'hash', ?1 ->> 'route', ?1 ->> 'sats', ?1 ->> 'payer', ?1 ->> 'wallet', ?1 ->> 'now_ms', ?1 ->> 'now_ms')
ON CONFLICT (hash) DO NOTHING;
SELECT CASE WHEN settled_ms IS NULL THEN 'seen' ELSE 'settled' END FROM payments WHERE hash = ?1 ->> 'hash'
