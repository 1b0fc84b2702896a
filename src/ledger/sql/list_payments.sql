-- Both parts read a range of an index: the primary key, or payments_by_time, which ends with the primary key.
SELECT json_group_array(json_object('endpoint', route, 'amountSats', sats, 'payerId', payer, 'paymentHash', hash,
  'timestamp', settled_ms))
FROM (
  SELECT * FROM (
    SELECT * FROM payments WHERE ?1 ->> 'hash' <> '' AND hash >= ?1 ->> 'hash' AND hash < ?1 ->> 'hash' || 'g'
    ORDER BY hash LIMIT 20
  )
  UNION ALL SELECT * FROM (
    SELECT * FROM payments WHERE ?1 ->> 'hash' = ''
      AND (settled_ms, hash) < (CAST(?1 ->> 'before_ms' AS INTEGER), ?1 ->> 'before_hash')
    ORDER BY settled_ms DESC, hash DESC LIMIT 20
  )
)
