SELECT json_group_array(json_object('hash', hash, 'body', body, 'since_ms', since_ms, 'tries', tries))
FROM (SELECT * FROM callbacks WHERE next_ms <= ?1 ->> 'now_ms' ORDER BY next_ms, hash LIMIT 10)
