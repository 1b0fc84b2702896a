-- A credential was shown; whether LNbits calls its payment paid is another question.
INSERT INTO payments (hash, route, sats, payer, wallet, seen_ms, asked_ms)
VALUES (?1 ->> 'hash', ?1 ->> 'route', ?1 ->> 'sats', ?1 ->> 'payer', ?1 ->> 'wallet', ?1 ->> 'now_ms', ?1 ->> 'now_ms')
ON CONFLICT (hash) DO NOTHING;
SELECT CASE WHEN settled_ms IS NULL THEN 'seen' ELSE 'settled' END FROM payments WHERE hash = ?1 ->> 'hash'
