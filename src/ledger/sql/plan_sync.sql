-- Chooses the payments to look up: at most ten payments that were seen in the last two days and are not settled. The
-- payments whose last look-up is the oldest come first. A payment that was looked up in the last 50 seconds is left
-- out.
UPDATE payments SET looked_up_ms = ?1 ->> 'now_ms' WHERE hash IN (
  SELECT hash FROM payments INDEXED BY payments_unsettled
  WHERE settled_ms IS NULL AND seen_ms >= ?1 ->> 'now_ms' - 172800000 AND looked_up_ms < ?1 ->> 'now_ms' - 50000
  ORDER BY looked_up_ms, hash LIMIT 10
);
SELECT json_object(
  'lists', json((SELECT json_group_object(wallet, json_array(cursor, read_to, newest, offset)) FROM lists)),
  'unsettled', json((
    SELECT json_group_array(json_object('hash', hash, 'wallet', wallet, 'route', route, 'payer', payer))
    FROM payments INDEXED BY payments_unsettled
    WHERE settled_ms IS NULL AND seen_ms >= ?1 ->> 'now_ms' - 172800000 AND looked_up_ms = ?1 ->> 'now_ms'
  ))
)
