UPDATE callbacks SET tries = tries + 1, next_ms = ?1 ->> 'next_ms', outcome = ?1 ->> 'outcome' WHERE hash = ?1 ->> 'hash'
