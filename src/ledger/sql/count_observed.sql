-- A name in routes has three characters of the status, 32 of the client or of dashes, and the route. Each client counts once a day,
-- and the clients of earlier days are deleted. At 1,000 clients of a route, their number stays as it is.
INSERT INTO observed (route, status, requests, sats)
SELECT substr(value ->> '$[0]', 36), substr(value ->> '$[0]', 1, 3), sum(value ->> '$[1][0]'), sum(value ->> '$[1][1]')
FROM json_each(?1, '$.routes') WHERE true GROUP BY 1, 2
ON CONFLICT (route, status) DO UPDATE SET requests = requests + excluded.requests, sats = sats + excluded.sats;
DELETE FROM observed_clients
WHERE route IN (SELECT route FROM observed_days WHERE day < date(?1 ->> 'now_ms' / 1000, 'unixepoch'));
INSERT INTO observed_days (route, day)
SELECT DISTINCT substr(value ->> '$[0]', 36), date(?1 ->> 'now_ms' / 1000, 'unixepoch') FROM json_each(?1, '$.routes') WHERE true
ON CONFLICT (route) DO UPDATE SET clients = 0, day = excluded.day WHERE day < excluded.day;
UPDATE observed_days SET clients = min(1000, clients + (
  SELECT count(DISTINCT substr(value ->> '$[0]', 4, 32)) FROM json_each(?1, '$.routes')
  WHERE value ->> '$[0]' NOT LIKE '___-%' AND substr(value ->> '$[0]', 36) = observed_days.route
    AND (observed_days.route, substr(value ->> '$[0]', 4, 32)) NOT IN observed_clients
)) WHERE route IN (SELECT substr(value ->> '$[0]', 36) FROM json_each(?1, '$.routes'));
INSERT INTO observed_clients (route, client)
SELECT DISTINCT route, substr(value ->> '$[0]', 4, 32)
FROM json_each(?1, '$.routes') JOIN observed_days ON route = substr(value ->> '$[0]', 36)
WHERE value ->> '$[0]' NOT LIKE '___-%' AND clients < 1000
ON CONFLICT (route, client) DO NOTHING;
UPDATE observed_days SET most = clients WHERE clients > most
