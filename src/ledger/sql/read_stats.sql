-- The JSON of lightning-toll's dashboard, followed by the keys that edgetoll adds. Of unsettled payments and callbacks,
-- at most 1,000 are counted. Cloudflare allows at most 32 arguments for a SQL function; the outermost json_object has
-- 32, so json_insert adds the last keys.
WITH
  route_stats AS MATERIALIZED (
    SELECT *, paid + free + challenged + refused AS requests FROM routes ORDER BY sats DESC, route
  ),
  recent AS (SELECT * FROM payments WHERE settled_ms IS NOT NULL ORDER BY settled_ms DESC, hash DESC LIMIT 20),
  given_up AS (SELECT * FROM callbacks INDEXED BY callbacks_given_up WHERE next_ms IS NULL ORDER BY since_ms DESC, hash DESC LIMIT 50)
SELECT json_insert(json_object(
  'totalRevenue', (SELECT coalesce(sum(sats), 0) FROM route_stats),
  'totalRequests', (SELECT coalesce(sum(requests), 0) FROM route_stats),
  'totalPaid', (SELECT coalesce(sum(paid), 0) FROM route_stats),
  'uniquePayers', (SELECT value FROM meta WHERE key = 'payers'),
  'endpoints', json((
    SELECT json_group_object(route, json_object('revenue', sats, 'requests', requests, 'paid', paid, 'free', free,
      'challenged', challenged, 'refused', refused, 'payments', payments))
    FROM route_stats
  )),
  'recentPayments', json((
    SELECT json_group_array(json_object('endpoint', route, 'amountSats', sats, 'payerId', payer, 'paymentHash', hash,
      'timestamp', settled_ms))
    FROM recent
  )),
  'totalPayments', (SELECT coalesce(sum(payments), 0) FROM route_stats),
  'totalFree', (SELECT coalesce(sum(free), 0) FROM route_stats),
  'totalChallenged', (SELECT coalesce(sum(challenged), 0) FROM route_stats),
  'totalRefused', (SELECT coalesce(sum(refused), 0) FROM route_stats),
  'revenueByHour', json((
    SELECT json_group_array(json_object('hour', hour_ms, 'sats', sats, 'payments', payments)) FROM (
      SELECT * FROM hours WHERE hour_ms >= (?1 ->> 'now_ms' / 3600000 - 23) * 3600000 ORDER BY hour_ms
    )
  )),
  'revenueByDay', json((
    SELECT json_group_array(json_object('day', day, 'sats', sats, 'payments', payments)) FROM (
      SELECT * FROM days WHERE day >= date(?1 ->> 'now_ms' / 1000, 'unixepoch', '-29 days') ORDER BY day
    )
  )),
  'unsettled', (SELECT count(*) FROM (SELECT 1 FROM payments WHERE settled_ms IS NULL LIMIT 1000)),
  'callbacks', json_object(
    'waiting', (SELECT count(*) FROM (SELECT 1 FROM callbacks WHERE next_ms IS NOT NULL LIMIT 1000)),
    'givenUp', (SELECT count(*) FROM (SELECT 1 FROM callbacks WHERE next_ms IS NULL LIMIT 1000)),
    'dead', json((
      SELECT json_group_array(json_object('paymentHash', hash, 'endpoint', body ->> 'endpoint', 'amountSats',
        body ->> 'amountSats', 'settledAt', body ->> 'settledAt', 'tries', tries, 'outcome', outcome))
      FROM given_up
    ))
  ),
  'noInvoiceLeft', json_object(
    'requests', (SELECT coalesce(max(requests), 0) FROM refusals WHERE code = 'too_many_invoices'),
    'last', (SELECT last_ms FROM refusals WHERE code = 'too_many_invoices')
  ),
  'now', ?1 ->> 'now_ms'
), '$.refusals', json((
  SELECT json_group_array(json_object('code', code, 'requests', requests, 'last', last_ms))
  FROM (SELECT * FROM refusals ORDER BY requests DESC, code)
)), '$.limits', json(?1 -> 'limits'), '$.observed', json((
  SELECT json_group_object(route, json(counts))
  FROM (SELECT route, json_group_object(key, count) AS counts FROM observed GROUP BY route)
)))