UPDATE callbacks SET next_ms = ?1 ->> 'now_ms', tries = 0 WHERE next_ms IS NULL
