-- A page of the settled payments as CSV (RFC 4180), the oldest first. The first line of the result has the fields of the
-- command for the next page, and is empty if there is none. The result is empty if a date is not written as YYYY-MM-DD.
-- A spreadsheet takes a text that begins like a formula for one, so an apostrophe is put before it. Cloudflare allows 2 MB
-- for a text, so routes and hosts, which the wallet reported, are cut.
WITH page AS MATERIALIZED (
  SELECT *, iif(route GLOB '[=+@＝＋＠－' || char(9, 10, 13) || '-]*', '''', '') || substr(route, 1, 999) AS safe_route,
    iif(host GLOB '[=+@＝＋＠－' || char(9, 10, 13) || '-]*', '''', '') || substr(host, 1, 999) AS safe_host
  FROM payments
  WHERE (settled_ms, hash) > (coalesce(?1 ->> 'after_ms', unixepoch(?1 ->> 'from') * 1000, 0), ?1 ->> 'after_hash')
    AND settled_ms < coalesce(unixepoch(?1 ->> 'to', '+1 day') * 1000, 9e15)
  ORDER BY settled_ms, hash LIMIT 250
)
SELECT coalesce((
    SELECT json_set(?1, '$.after_ms', settled_ms, '$.after_hash', hash) FROM page ORDER BY settled_ms, hash LIMIT 1 OFFSET 249
  ), '') || char(10)
  || iif(?1 ->> 'after_hash' = '', 'created,settled,amount_sats,amount_msat,route,host,wallet,payment_hash,protocol,uses,'
    || 'fiat_currency,fiat_amount' || char(13, 10), '')
  || coalesce((
    SELECT group_concat(format('%s,%s,%d,%d,"%w","%w",%s,%s,%s,%s,%s,%s', strftime('%Y-%m-%dT%H:%M:%SZ', minted_unix, 'unixepoch'),
      strftime('%Y-%m-%dT%H:%M:%SZ', settled_ms / 1000, 'unixepoch'), sats, sats * 1000, safe_route, coalesce(safe_host, ''),
      wallet, hash, protocol, uses, substr(fiat, -3), substr(fiat, 1, length(fiat) - 4)) || char(13, 10), '')
    FROM (SELECT * FROM page ORDER BY settled_ms, hash)
  ), '')
WHERE date(?1 ->> 'from') IS nullif(?1 ->> 'from', '') AND date(?1 ->> 'to') IS nullif(?1 ->> 'to', '')
