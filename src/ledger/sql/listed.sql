-- A wallet's list is in the ledger until here: a time of LNbits' own, or a number of seconds.
INSERT INTO meta (key, value)
SELECT 'cursor/' || (?1 ->> 'wallet'), coalesce(?1 ->> 'unix', unixepoch(?1 ->> 'time')) AS until WHERE until IS NOT NULL
ON CONFLICT (key) DO UPDATE SET value = excluded.value
