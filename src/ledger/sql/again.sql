UPDATE callbacks SET made_ms = ?1 ->> 'now_ms', next_ms = ?1 ->> 'now_ms', tries = 0 WHERE next_ms IS NULL
