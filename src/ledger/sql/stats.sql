-- lightning-toll's dashboard JSON, its keys first.
WITH
  of_route AS (
    SELECT route, sum(sats) AS sats, sum(payments) AS payments, sum(paid) AS paid, sum(free) AS free,
      sum(challenged) AS challenged, sum(refused) AS refused
    FROM days GROUP BY route ORDER BY sum(sats) DESC, route
  ),
  recent AS (SELECT * FROM payments WHERE settled_ms IS NOT NULL ORDER BY settled_ms DESC, hash LIMIT 20),
  of_hour AS (
    SELECT settled_ms / 3600000 * 3600000 AS hour, sum(sats) AS sats, count(*) AS payments FROM payments
    WHERE settled_ms >= (?1 ->> 'now_ms' / 3600000 - 23) * 3600000 GROUP BY 1 ORDER BY 1
  ),
  of_day AS (
    SELECT day, sum(sats) AS sats, sum(payments) AS payments FROM days
    WHERE day >= date(?1 ->> 'now_ms' / 1000, 'unixepoch', '-29 days') AND payments > 0 GROUP BY day ORDER BY day
  ),
  dead AS (SELECT * FROM callbacks WHERE next_ms IS NULL ORDER BY made_ms DESC, hash LIMIT 50)
SELECT json_object(
  'totalRevenue', (SELECT coalesce(sum(sats), 0) FROM of_route),
  'totalRequests', (SELECT coalesce(sum(paid + free + challenged + refused), 0) FROM of_route),
  'totalPaid', (SELECT coalesce(sum(paid), 0) FROM of_route),
  'uniquePayers', (SELECT count(DISTINCT payer) FROM payments WHERE settled_ms IS NOT NULL),
  'endpoints', json((
    SELECT json_group_object(route, json_object('revenue', sats, 'requests', paid + free + challenged + refused,
      'paid', paid, 'free', free, 'challenged', challenged, 'refused', refused, 'payments', payments))
    FROM of_route
  )),
  'recentPayments', json((
    SELECT json_group_array(json_object('endpoint', route, 'amountSats', sats, 'payerId', payer, 'paymentHash', hash,
      'timestamp', settled_ms))
    FROM recent
  )),
  'totalPayments', (SELECT coalesce(sum(payments), 0) FROM of_route),
  'totalFree', (SELECT coalesce(sum(free), 0) FROM of_route),
  'totalChallenged', (SELECT coalesce(sum(challenged), 0) FROM of_route),
  'totalRefused', (SELECT coalesce(sum(refused), 0) FROM of_route),
  'revenueByHour', json((
    SELECT json_group_array(json_object('hour', hour, 'sats', sats, 'payments', payments)) FROM of_hour
  )),
  'revenueByDay', json((
    SELECT json_group_array(json_object('day', day, 'sats', sats, 'payments', payments)) FROM of_day
  )),
  'unsettled', (SELECT count(*) FROM payments WHERE settled_ms IS NULL),
  'callbacks', json_object(
    'waiting', (SELECT count(*) FROM callbacks WHERE next_ms IS NOT NULL),
    'dead', json((
      SELECT json_group_array(json_object('paymentHash', hash, 'endpoint', body ->> 'endpoint', 'amountSats',
        body ->> 'amountSats', 'settledAt', body ->> 'settledAt', 'tries', tries, 'outcome', outcome))
      FROM dead
    ))
  ),
  'now', ?1 ->> 'now_ms'
)
