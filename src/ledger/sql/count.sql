INSERT INTO days (day, route, paid, free, challenged, refused)
SELECT date(?1 ->> 'now_ms' / 1000, 'unixepoch'), value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4
FROM json_each(?1, '$.routes') WHERE true
ON CONFLICT (day, route) DO UPDATE SET paid = paid + excluded.paid, free = free + excluded.free,
  challenged = challenged + excluded.challenged, refused = refused + excluded.refused
