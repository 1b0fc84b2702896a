-- Rows end; their sums stay in `days`. What is older than this is never taken in again, so nothing counts twice.
INSERT INTO meta (key, value) VALUES ('forgotten_unix', ?1 ->> 'before_unix')
ON CONFLICT (key) DO UPDATE SET value = max(value, excluded.value);
DELETE FROM payments WHERE settled_ms < ?1 ->> 'before_unix' * 1000 OR (settled_ms IS NULL AND seen_ms < ?1 ->> 'before_unix' * 1000);
DELETE FROM callbacks WHERE next_ms IS NULL AND made_ms / 1000 < ?1 ->> 'before_unix'
