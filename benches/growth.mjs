// How the CPU time of a request grows with the price list, the credential, the request, the body, and the number of clients. Each is
// compared with a request to the Worker in JavaScript that only forwards requests.
import { createHmac } from 'node:crypto';
import { buy, measure, median, newCase, ratio, residentMib, startEdgetoll, table } from './lib.mjs';

/** Returns the tables. */
export async function growthTables(bench, rounds, ms) {
  const { run, vars, lnbits, host, bare } = bench;
  const edgetoll = await startEdgetoll(run, vars, { routes: [JOKE, { path: '/blob/*', sats: 5, realm: 'blob' }] });
  const joke = (await buy(edgetoll, '/api/joke', lnbits)).standard;
  const blob = (await buy(edgetoll, '/blob/1', lnbits)).standard;
  /** Returns the same request to JavaScript and to edgetoll. */
  const pair = (name, path, headers, options) => [
    newCase(name, bare, path, [host, ...headers], options),
    newCase(name, edgetoll, path, headers, options),
  ];
  const base = newCase('JavaScript', bare, '/api/joke', [host]);
  const routes = await routeCases(bench, joke);
  const caveats = CAVEATS.map((count) => newCase(`${count} caveats`, edgetoll, '/api/joke', paid(withCaveats(joke, count))));
  const headers = HEADERS.map((count) => pair(`${count} more headers`, '/api/joke', [...paid(joke), ...moreHeaders(count)]));
  const bodies = BODIES.flatMap(([size, bytes, connections]) => [
    pair(`${size} from the origin`, `/blob/${bytes}`, paid(blob), { connections }),
    pair(`${size} to the origin`, '/blob/up', paid(blob), { connections, method: 'POST', bodyLength: bytes }),
  ]);
  const clients = await clientCases(bench);
  await measure([base, ...routes, ...caveats, ...headers.flat(), ...bodies.flat(), ...clients], rounds, ms);

  const compared = ['CPU µs per request', 'CPU ratio', 'from round to round'];
  const row = (one, to = base) => [one.name, median(one.cpu).toFixed(0), ...ratio(one.cpu, to.cpu)];
  const pairRow = ([js, toll]) => [toll.name, median(js.cpu).toFixed(0), ...row(toll, js).slice(1)];
  return [
    table(['routes and caveats', ...compared], [...routes, ...caveats].map((one) => row(one))),
    table(['request headers', 'JavaScript, CPU µs', ...compared, 'added CPU, ratio'], headers.map((one) => [...pairRow(one), growth(one, headers[0])])),
    table(['body', 'JavaScript, CPU µs', ...compared], bodies.map(pairRow)),
    table(['free tier', ...compared, 'resident memory, MiB'], clients.map((one) => [...row(one), residentMib(one.server)])),
  ].join('\n\n');
}

/** Returns a paid request and one for an unlisted path for price lists of different lengths. The route of the request is the last. */
async function routeCases({ run, vars }, joke) {
  const cases = [];
  for (const count of ROUTES) {
    const others = Array.from({ length: count - 1 }, (_, at) => ({ path: `/r${at}/item`, sats: 5 }));
    const server = await startEdgetoll(run, vars, { routes: [...others, JOKE] });
    await use(server, joke);
    const routes = `${count.toLocaleString('en')} routes`;
    cases.push(newCase(`${routes}, paid`, server, '/api/joke', paid(joke)), newCase(`${routes}, unlisted path`, server, '/x/page'));
  }
  return cases;
}

/** Returns requests in the free tier, from many clients. Each case has a Worker of its own, so that the memory can be compared. */
async function clientCases({ run, withStub }) {
  const routes = [{ path: '/free', sats: 5, free_requests: 1_000_000, free_window: '1d' }];
  return Promise.all(CLIENTS.map(async (clients) => {
    const name = `${clients.toLocaleString('en')} clients`;
    return newCase(name, await startEdgetoll(run, withStub, { routes }), '/free', [], { clients, status: [200, 402] });
  }));
}

/** Uses a credential once, so that the payment is known to be settled. */
async function use({ port }, credential) {
  const response = await fetch(`http://127.0.0.1:${port}/api/joke`, { headers: { Authorization: credential } });
  if (!response.ok) throw new Error(`a paid request got ${response.status}`);
}

/** Returns the CPU time that the headers add to edgetoll, as a ratio to what they add to JavaScript. */
function growth([js, toll], [firstJs, firstToll]) {
  if (js === firstJs) return '';
  const added = (one, first) => median(one.cpu.map((us, at) => us - first.cpu[at]));
  return (added(toll, firstToll) / added(js, firstJs)).toFixed(2);
}

/** Adds caveats to a standard macaroon until it has `count`, as its holder may. */
function withCaveats(credential, count) {
  const [, encoded, preimage] = /^L402 ([^:]+):(.*)$/.exec(credential);
  let { head, caveats, signature } = parse(Buffer.from(encoded, 'base64'));
  while (caveats.length < count) {
    const caveat = Buffer.from(`note${caveats.length}=abcdefghijklmnop`);
    caveats = [...caveats, caveat];
    signature = createHmac('sha256', signature).update(caveat).digest();
  }
  const fields = caveats.map((caveat) => [field(2, caveat), Buffer.of(0)]).flat();
  const macaroon = Buffer.concat([head, Buffer.of(0), ...fields, Buffer.of(0), field(6, signature)]);
  return `L402 ${macaroon.toString('base64')}:${preimage}`;
}

/** Splits a macaroon (version 2): the bytes of location and identifier, the caveats, and the signature. */
function parse(bytes) {
  let at = 1;
  const next = () => {
    at += 1;
    let [length, shift] = [0, 0];
    do length |= (bytes[at] & 127) << (7 * shift++); while (bytes[at++] & 128);
    return bytes.subarray(at, (at += length));
  };
  if (bytes[at] === 1) next();
  next();
  const head = bytes.subarray(0, at);
  const caveats = [];
  for (at += 1; bytes[at] !== 0; at += 1) caveats.push(next());
  at += 1;
  return { head, caveats, signature: next() };
}

function field(type, bytes) {
  const length = bytes.length < 128 ? [bytes.length] : [(bytes.length & 127) | 128, bytes.length >> 7];
  return Buffer.concat([Buffer.of(type, ...length), bytes]);
}

function paid(credential) {
  return [`Authorization: ${credential}`];
}

function moreHeaders(count) {
  return Array.from({ length: count }, (_, at) => `X-Extra-${at}: ${'v'.repeat(30)}`);
}

const JOKE = { path: '/api/joke', sats: 5 };
const ROUTES = [10, 100, 1000];
const CAVEATS = [7, 37, 97];
const HEADERS = [0, 10, 100];
/** A name, bytes, and the number of connections. */
const BODIES = [['64 KB', 65_536, 16], ['1 MB', 1 << 20, 8], ['64 MB', 64 << 20, 2]];
const CLIENTS = [10, 2000, 10_000];
