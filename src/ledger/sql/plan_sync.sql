-- Chooses the payments to look up: at most ten payments that were seen in the last two days and are not settled. The
-- payments whose last look-up is the oldest come first. A payment that was looked up in the last 50 seconds is left
-- out. Of more than 500 such payments, only the 500 that were seen last are read, so that a run does not read more and
-- more rows while a wallet is down.
UPDATE payments SET looked_up_ms = ?1 ->> 'now_ms' WHERE hash IN (
  SELECT hash FROM (
    SELECT hash, looked_up_ms FROM payments INDEXED BY payments_unsettled
    WHERE settled_ms IS NULL AND seen_ms >= ?1 ->> 'now_ms' - 172800000 ORDER BY seen_ms DESC LIMIT 500
  )
  WHERE looked_up_ms < ?1 ->> 'now_ms' - 50000
  ORDER BY looked_up_ms, hash LIMIT 10
);
SELECT json_object(
  'lists', json((SELECT json_group_object(wallet, json_array(cursor, read_to, newest, offset)) FROM lists)),
  'unsettled', json((
    SELECT json_group_array(json_object('hash', hash, 'wallet', wallet, 'route', route, 'payer', payer)) FROM (
      SELECT * FROM payments INDEXED BY payments_unsettled
      WHERE settled_ms IS NULL AND seen_ms >= ?1 ->> 'now_ms' - 172800000 ORDER BY seen_ms DESC LIMIT 500
    )
    WHERE looked_up_ms = ?1 ->> 'now_ms'
  ))
)
