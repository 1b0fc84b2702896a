// The CPU time of a request, as a ratio to a Worker in JavaScript that only forwards requests.
import { buy, measure, median, newCase, ratio, startEdgetoll, startLightningToll, startRustPass, startWorker, table } from './lib.mjs';

/** Returns the main table. Each ratio compares two measurements of the same round. */
export async function requestsTable(bench, rounds, ms) {
  const cases = await prepare(bench);
  await measure(cases, rounds, ms);
  const [base] = cases;
  const titles = ['case', 'CPU µs per request', 'CPU ratio', 'from round to round', 'requests per second, ratio'];
  return table(titles, cases.map(({ name, cpu, rate }) => [name, median(cpu).toFixed(0), ...ratio(cpu, base.cpu), ratio(rate, base.rate)[0]]));
}

/** Starts all Workers and buys the credentials. Returns the cases. */
async function prepare({ run, lnbits, vars, withStub, host, bare }) {
  const [rust, pass, floor, l402] = await Promise.all([startRustPass(run), ...['pass', 'floor', 'l402'].map((name) => startWorker(run, name, vars))]);
  const lightningToll = await startLightningToll(run, vars);
  const [edgetoll, challenging, durable] = await Promise.all([
    startEdgetoll(run, vars, { routes: ROUTES }),
    startEdgetoll(run, withStub, { routes: ROUTES }),
    startEdgetoll(run, vars, { routes: ROUTES, free_tier: 'durable' }),
  ]);

  const joke = await buy(edgetoll, '/api/joke', lnbits);
  const club = await buy(edgetoll, '/club', lnbits);
  const uses = await buy(edgetoll, '/uses', lnbits);
  const paid = (credential) => [`Authorization: ${credential}`];
  return [
    newCase('JavaScript: fetch(request)', bare, '/api/joke', [host]),
    newCase('Rust: fetch(request)', rust, '/api/joke', [host]),
    newCase('JavaScript: to ORIGIN_URL', pass, '/api/joke'),
    newCase('JavaScript: the same header work, no check', floor, '/api/joke', paid(joke.standard)),
    newCase('JavaScript: minimal L402, paid', l402, '/api/joke', paid(joke.standard)),
    newCase('Python: lightning-toll with FastAPI and httpx, paid', lightningToll, '/api/joke', paid(lightningToll.credential)),
    newCase('unlisted path', edgetoll, '/unlisted'),
    newCase('paid, standard macaroon', edgetoll, '/api/joke', paid(joke.standard)),
    newCase('paid, lightning-toll macaroon', edgetoll, '/api/joke', paid(joke.lightningToll)),
    newCase('paid, realm', edgetoll, '/club', paid(club.standard)),
    newCase('paid, cookie', edgetoll, '/api/joke', [`Cookie: ${joke.cookie}`]),
    newCase('free tier, in Workers KV', edgetoll, '/free'),
    newCase('free tier, in Durable Objects', durable, '/free'),
    newCase('uses', edgetoll, '/uses', paid(uses.standard)),
    newCase('401', edgetoll, '/api/joke', paid('L402 AgE:00'), { status: [401] }),
    newCase('quote', edgetoll, '/api/joke', ['Sec-Purpose: prefetch'], { status: [402] }),
    newCase('challenge', challenging, '/api/joke', [], { status: [402] }),
  ];
}

const ROUTES = [
  { path: '/api/joke', sats: 5 },
  { path: '/club', sats: 5, realm: 'club' },
  { path: '/uses', sats: 5, uses: 1_000_000 },
  { path: '/free', sats: 5, free_requests: 1_000_000, free_window: '1d' },
];
