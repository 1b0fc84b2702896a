-- Of those that a credential was shown for, and that LNbits has not called paid yet: which are asked about next.
UPDATE payments SET asked_ms = ?1 ->> 'now_ms' WHERE hash IN (
  SELECT hash FROM payments
  WHERE settled_ms IS NULL AND seen_ms >= ?1 ->> 'now_ms' - 172800000 AND asked_ms < ?1 ->> 'now_ms' - 50000
  ORDER BY asked_ms, hash LIMIT 10
);
SELECT json_object(
  'lists', json((SELECT json_group_object(wallet, json_array(cursor, read_to, newest, offset)) FROM lists)),
  'unsettled', json((
    SELECT json_group_array(json_object('hash', hash, 'wallet', wallet))
    FROM payments WHERE settled_ms IS NULL AND asked_ms = ?1 ->> 'now_ms'
  ))
)
