-- A name in routes has three characters of the status, 32 of the client or of dashes, and the route. Each client of a route counts
-- once. At 1,000 clients, the number stays as it is, so further clients are not stored.
INSERT INTO observed (route, key, count)
SELECT substr(value ->> '$[0]', 36), substr(value ->> '$[0]', 1, 3), sum(value ->> '$[1][0]') FROM json_each(?1, '$.routes') GROUP BY 1, 2
UNION ALL SELECT substr(value ->> '$[0]', 36), 'sats', sum(value ->> '$[1][1]') FROM json_each(?1, '$.routes') GROUP BY 1
UNION ALL SELECT substr(value ->> '$[0]', 36), 'clients', count(*) FROM json_each(?1, '$.routes')
WHERE value ->> '$[0]' NOT LIKE '___-%' AND NOT EXISTS (
  SELECT 1 FROM observed_clients WHERE route = substr(value ->> '$[0]', 36) AND client = substr(value ->> '$[0]', 4, 32)
) GROUP BY 1
ON CONFLICT (route, key) DO UPDATE SET count = count + excluded.count;
INSERT INTO observed_clients (route, client, day)
SELECT route, substr(value ->> '$[0]', 4, 32), date(?1 ->> 'now_ms' / 1000, 'unixepoch')
FROM json_each(?1, '$.routes') JOIN observed ON route = substr(value ->> '$[0]', 36) AND observed.key = 'clients' AND count < 1000
WHERE value ->> '$[0]' NOT LIKE '___-%'
ON CONFLICT (route, client) DO NOTHING;
UPDATE observed SET count = 1000 WHERE key = 'clients' AND count > 1000
