-- At the first failure (tries = 0), since_ms becomes the current time, because a callback is given up three days after
-- its first failure.
UPDATE callbacks SET since_ms = CASE tries WHEN 0 THEN ?1 ->> 'now_ms' ELSE since_ms END, tries = tries + 1,
  next_ms = ?1 ->> 'next_ms', outcome = ?1 ->> 'outcome'
WHERE hash = ?1 ->> 'hash'
