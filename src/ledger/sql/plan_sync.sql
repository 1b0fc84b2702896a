-- The seen payments of the last two days that are not settled are looked up in turn: in each run the ten whose last
-- look-up is the oldest, and each at most once in 50 seconds.
UPDATE payments SET looked_up_ms = ?1 ->> 'now_ms' WHERE hash IN (
  SELECT hash FROM payments
  WHERE settled_ms IS NULL AND seen_ms >= ?1 ->> 'now_ms' - 172800000 AND looked_up_ms < ?1 ->> 'now_ms' - 50000
  ORDER BY looked_up_ms, hash LIMIT 10
);
SELECT json_object(
  'lists', json((SELECT json_group_object(wallet, json_array(cursor, read_to, newest, offset)) FROM lists)),
  'unsettled', json((
    SELECT json_group_array(json_object('hash', hash, 'wallet', wallet))
    FROM payments WHERE settled_ms IS NULL AND looked_up_ms = ?1 ->> 'now_ms'
  ))
)
