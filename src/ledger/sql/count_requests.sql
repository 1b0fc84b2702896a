INSERT INTO routes (route, paid, free, challenged, refused)
SELECT value ->> '$[0]', value ->> '$[1][0]', value ->> '$[1][1]', value ->> '$[1][2]', value ->> '$[1][3]'
-- Without WHERE, SQLite parses ON CONFLICT as a join constraint.
FROM json_each(?1, '$.routes') WHERE true
ON CONFLICT (route) DO UPDATE SET paid = paid + excluded.paid, free = free + excluded.free,
  challenged = challenged + excluded.challenged, refused = refused + excluded.refused;
INSERT INTO refusals (code, requests, last_ms)
SELECT value ->> '$[0]', value ->> '$[1]', ?1 ->> 'now_ms' FROM json_each(?1, '$.refusals') WHERE true
ON CONFLICT (code) DO UPDATE SET requests = requests + excluded.requests, last_ms = excluded.last_ms
