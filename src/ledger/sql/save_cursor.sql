INSERT INTO lists (wallet, cursor, read_to, newest, offset)
VALUES (?1 ->> 'wallet', ?1 ->> 'cursor', ?1 ->> 'read_to', ?1 ->> 'newest', ?1 ->> 'offset')
ON CONFLICT (wallet) DO UPDATE SET cursor = excluded.cursor, read_to = excluded.read_to, newest = excluded.newest,
  offset = excluded.offset
