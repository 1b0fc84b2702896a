// A paywall for each kind of origin, and a Worker that only forwards requests, which shows what the runtime itself changes.
import { buy } from './client.mjs';
import { startBareWorker, startForwardingWorker } from './workerd.mjs';

/**
 * Starts them in front of the origin at `url`. A target is a Worker and a path prefix: `/` is free, and `/sold/` is paid for with
 * `authorization`. Requests to a target need the header `Host: host`.
 */
export async function startTargets(url, { list = {}, routes = [] } = {}) {
  const toll = { ...list, routes: [{ path: '/sold/*', sats: 5, realm: 'sold' }, ...routes] };
  const kinds = [
    { kind: 'ORIGIN_URL', host: 'localhost', vars: { ORIGIN_URL: url } },
    { kind: 'the service binding ORIGIN', host: 'localhost', boundTo: url },
    // As on a route of the zone: the host of the request leads to the origin.
    { kind: 'the origin of the zone', host: new URL(url).host },
  ];
  const forwarding = { name: 'a Worker that only forwards', host: 'localhost', prefix: '/', headers: { Host: 'localhost' }, ...(await startForwardingWorker(url)) };
  const paywalls = await Promise.all(kinds.map(async ({ kind, host, ...options }) => ({ kind, host, ...(await startBareWorker({ toll, ...options })) })));
  const targets = paywalls.map(async ({ kind, ...paywall }) => {
    const headers = { Host: paywall.host };
    const { standard: authorization } = await buy(paywall.url, '/sold/a', { headers });
    return [
      { name: `${kind}, free`, prefix: '/', headers, ...paywall },
      { name: `${kind}, paid`, prefix: '/sold/', headers: { ...headers, authorization }, isPaid: true, ...paywall },
    ];
  });
  return { forwarding, paywalls, targets: (await Promise.all(targets)).flat() };
}
