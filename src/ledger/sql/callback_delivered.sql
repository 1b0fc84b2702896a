DELETE FROM callbacks WHERE hash = ?1 ->> 'hash'
