-- Records that the Worker accepted a credential for a payment. This does not settle the payment. If the result is
-- 'seen', the Worker looks the payment up at once, so a new row gets the current time as looked_up_ms.
INSERT INTO payments (hash, route, sats, payer, wallet, seen_ms, looked_up_ms, protocol)
VALUES (?1 ->> 'hash', ?1 ->> 'route', ?1 ->> 'sats', ?1 ->> 'payer', ?1 ->> 'wallet', ?1 ->> 'now_ms', ?1 ->> 'now_ms',
  ?1 ->> 'protocol')
ON CONFLICT (hash) DO UPDATE SET protocol = excluded.protocol WHERE payments.protocol IS NULL;
SELECT CASE WHEN settled_ms IS NULL THEN 'seen' ELSE 'settled' END FROM payments WHERE hash = ?1 ->> 'hash'
