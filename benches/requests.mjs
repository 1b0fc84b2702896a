// Measures the CPU time of a request: that of the process of workerd, as a ratio to a Worker that only forwards requests. The Workers
// are measured in turn, and each ratio compares two measurements of the same round. QUICK=1 takes fewer and shorter rounds.
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { startLnbits } from '../tools/lib/lnbits.mjs';
import { Run, freePort, root } from '../tools/lib/run.mjs';

const [ROUNDS, MS] = process.env.QUICK ? [3, 700] : [8, 1000];
/** Linux counts CPU time in hundredths of a second. */
const TICK_US = 10_000;
const run = Run.begin('bench');
try {
  const table = await measure(await prepare());
  console.log(table);
  if (!process.env.QUICK) writeFileSync(join(root, 'benches/RESULTS.md'), results(table));
} finally {
  await run.end();
}

/** Starts all Workers and buys the credentials. Returns the cases: a name, a Worker, and the head of a request. */
async function prepare() {
  const [lnbits, origin] = await Promise.all([startLnbits(run, { dataDir: run.folder('lnbits') }), startOrigin()]);
  const secret = randomBytes(32).toString('hex');
  const stub = await startWalletStub(lnbits);
  const vars = { TOLL_SECRET: secret, ORIGIN_URL: origin, LNBITS_URL: lnbits.url, LNBITS_KEY: lnbits.merchant.invoiceKey };
  const [bare, pass, floor, l402] = await Promise.all(['bare', 'pass', 'floor', 'l402'].map((name) => startWorker(name, vars)));
  const [edgetoll, challenging] = await Promise.all([startEdgetoll(vars), startEdgetoll({ ...vars, LNBITS_URL: stub })]);

  const joke = await buy(edgetoll, '/api/joke', lnbits);
  const club = await buy(edgetoll, '/club', lnbits);
  const uses = await buy(edgetoll, '/uses', lnbits);
  const paid = (credential) => [`Authorization: ${credential}`];
  const host = `Host: ${new URL(origin).host}`;
  return [
    ['JavaScript: fetch(request)', bare, '/api/joke', [host]],
    ['JavaScript: to ORIGIN_URL', pass, '/api/joke'],
    ['JavaScript: the same header work, no check', floor, '/api/joke', paid(joke.standard)],
    ['JavaScript: minimal L402, paid', l402, '/api/joke', paid(joke.standard)],
    ['unlisted path', edgetoll, '/unlisted'],
    ['paid, standard macaroon', edgetoll, '/api/joke', paid(joke.standard)],
    ['paid, lightning-toll macaroon', edgetoll, '/api/joke', paid(joke.lightningToll)],
    ['paid, realm', edgetoll, '/club', paid(club.standard)],
    ['paid, cookie', edgetoll, '/api/joke', [`Cookie: ${joke.cookie}`]],
    ['free tier', edgetoll, '/free'],
    ['uses', edgetoll, '/uses', paid(uses.standard)],
    ['401', edgetoll, '/api/joke', paid('L402 AgE:00'), 401],
    ['quote', edgetoll, '/api/joke', ['Sec-Purpose: prefetch'], 402],
    ['challenge', challenging, '/api/joke', [], 402],
  ].map(([name, worker, path, headers = [], status = 200]) => ({ name, worker, status, head: head(worker, path, headers), cpu: [], rate: [] }));
}

/** Measures all cases in `ROUNDS` rounds, in the opposite order every other round. Returns a table. */
async function measure(cases) {
  for (const one of cases) await load(one, 500);
  for (let round = 0; round < ROUNDS; round++) {
    for (const one of round % 2 ? cases.toReversed() : cases) {
      const before = cpuTicks(one.worker);
      const requests = await load(one, MS);
      one.cpu.push(((cpuTicks(one.worker) - before) * TICK_US) / requests);
      one.rate.push((requests * 1000) / MS);
    }
  }
  const [base] = cases;
  const lines = cases.map(({ name, cpu, rate }) => {
    const ratios = cpu.map((us, at) => us / base.cpu[at]);
    const rates = rate.map((perSecond, at) => perSecond / base.rate[at]);
    const spread = `${Math.min(...ratios).toFixed(2)} to ${Math.max(...ratios).toFixed(2)}`;
    return `| ${name} | ${median(cpu).toFixed(0)} | ${median(ratios).toFixed(2)} | ${spread} | ${median(rates).toFixed(2)} |`;
  });
  return ['| case | CPU µs per request | CPU ratio | from round to round | requests per second, ratio |', '| --- | --- | --- | --- | --- |', ...lines].join('\n');
}

/** Sends the request of a case for some time. Returns the number of responses, all of which must have the expected status. */
async function load({ name, worker, head, status }, ms) {
  const args = [join(root, 'benches/load.mjs'), worker.port, ms, Buffer.from(head).toString('base64')];
  const statuses = JSON.parse((await promisify(execFile)(process.execPath, args)).stdout);
  if (Object.keys(statuses).join() !== `${status}`) throw new Error(`${name}: ${JSON.stringify(statuses)} instead of ${status}`);
  return statuses[status];
}

function head({ port }, path, headers) {
  const edge = [
    'User-Agent: Mozilla/5.0 (X11; Linux x86_64) agent/1.0', 'Accept: application/json', 'Accept-Encoding: gzip, br',
    'CF-Connecting-IP: 203.0.113.7', 'CF-IPCountry: DE', 'CF-Ray: 9a1b2c3d4e5f6789-FRA', 'CF-Visitor: {"scheme":"https"}',
    'CDN-Loop: cloudflare; loops=1', 'X-Forwarded-Proto: https', 'X-Real-IP: 203.0.113.7',
  ];
  const host = headers.some((line) => line.startsWith('Host:')) ? [] : [`Host: 127.0.0.1:${port}`];
  return [`GET ${path} HTTP/1.1`, ...host, ...edge, ...headers, '', ''].join('\r\n');
}

/** Buys a credential, uses it once, so that the payment is known to be settled, and asks for its cookie. */
async function buy({ port }, path, lnbits) {
  const url = `http://127.0.0.1:${port}`;
  const response = await fetch(url + path);
  const [, macaroon, invoice] = response.headers.get('WWW-Authenticate').match(/macaroon="([^"]+)", invoice="([^"]+)"/);
  const body = await response.json();
  const preimage = await lnbits.pay(invoice);
  const standard = `L402 ${macaroon}:${preimage}`;
  const used = await fetch(url + path, { headers: { Authorization: standard } });
  if (!used.ok) throw new Error(`${path}: ${used.status}`);
  const settled = await fetch(`${url}/_toll/settle`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ macaroon }) });
  return { standard, lightningToll: `L402 ${body.macaroon}:${preimage}`, cookie: settled.headers.get('Set-Cookie')?.split(';')[0] };
}

/** Starts a Worker of benches/workers/. */
async function startWorker(name, vars) {
  return startWorkerd(name, { 'index.js': join(root, `benches/workers/${name}.js`) }, vars, {});
}

/** Starts edgetoll with all of its bindings, as it is deployed. */
async function startEdgetoll(vars) {
  const files = { 'index.js': join(root, 'build/index.js'), 'index_bg.wasm': join(root, 'build/index_bg.wasm') };
  const list = {
    challenges_per_minute: 1_000_000,
    invoices_per_minute: 1_000_000,
    routes: [
      { path: '/api/joke', sats: 5 },
      { path: '/club', sats: 5, realm: 'club' },
      { path: '/uses', sats: 5, uses: 1_000_000 },
      { path: '/free', sats: 5, free_requests: 1_000_000, free_window: '1d' },
    ],
  };
  const kv = await startKv();
  const classes = { METER: 'Meter', FREE_TIER_EXACT: 'FreeTierCounter', INVOICE_LIMIT: 'InvoiceLimit', LEDGER: 'Ledger' };
  const objects = Object.entries(classes).map(([binding, name]) => `(name = "${binding}", durableObjectNamespace = "${name}")`);
  return startWorkerd('edgetoll', files, vars, {
    bindings: [...objects, `(name = "TOLL", json = ${JSON.stringify(JSON.stringify(list))})`, '(name = "TOLL_KV", kvNamespace = "kv")'],
    namespaces: Object.values(classes).map((name) => `(className = "${name}", uniqueKey = "${name}", enableSql = true)`),
    services: [`(name = "kv", external = (address = "${kv}", http = ()))`],
  });
}

async function startWorkerd(name, files, vars, { bindings = [], namespaces = [], services = [] }) {
  const dir = run.folder(name);
  const modules = Object.entries(files).map(([file, from]) => {
    copyFileSync(from, join(dir, file));
    return `(name = "${file}", ${file.endsWith('.wasm') ? 'wasm' : 'esModule'} = embed "${file}")`;
  });
  const texts = Object.entries(vars).map(([key, text]) => `(name = "${key}", text = ${JSON.stringify(text)})`);
  const disk = run.folder('objects');
  const storage = namespaces.length ? `durableObjectNamespaces = [${namespaces}], durableObjectStorage = (localDisk = "disk"),` : '';
  const port = await freePort();
  writeFileSync(join(dir, 'config.capnp'), `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = (modules = [${modules}], compatibilityDate = "2026-11-01", globalOutbound = "net", ${storage} bindings = [${[...texts, ...bindings]}])),
    (name = "net", network = (allow = ["private", "public", "local"])),
    (name = "disk", disk = (path = "${disk}", writable = true)),
    ${services.map((service) => `${service},`).join('')}
  ],
  sockets = [(name = "http", address = "127.0.0.1:${port}", http = (), service = "main")],
);
`);
  const server = run.start(name, join(root, 'node_modules/@cloudflare/workerd-linux-64/bin/workerd'), ['serve', join(dir, 'config.capnp')]);
  await server.until(() => isListening(port));
  return { port, pid: server.child.pid };
}

/** Starts the origin in a process of its own. */
async function startOrigin() {
  const port = await freePort();
  const program = `require('node:http').createServer((_, response) => response.end('${JSON.stringify({ joke: 'x'.repeat(180) })}')).listen(${port}, '127.0.0.1')`;
  await run.start('origin', process.execPath, ['-e', program]).until(() => isListening(port));
  return `http://127.0.0.1:${port}`;
}

/** Starts a server that answers as an LNbits that creates the same invoice again and again, because a real LNbits is slow. */
async function startWalletStub(lnbits) {
  const key = { 'X-Api-Key': lnbits.merchant.invoiceKey, 'Content-Type': 'application/json' };
  const order = { method: 'POST', headers: key, body: JSON.stringify({ out: false, amount: 5, expiry: 300, memo: 'x' }) };
  const invoice = await (await fetch(`${lnbits.url}/api/v1/payments`, order)).text();
  return startServer(async (request, response) => {
    if (request.method === 'POST') return response.writeHead(201, { 'Content-Type': 'application/json' }).end(invoice);
    const answer = await fetch(lnbits.url + request.url, { headers: request.headers['x-api-key'] ? key : {} });
    return response.writeHead(answer.status).end(await answer.text());
  });
}

/** Starts a server that answers as Workers KV. Returns its address. */
async function startKv() {
  const values = new Map();
  const url = await startServer(async (request, response) => {
    const { pathname } = new URL(request.url, 'http://kv');
    let body = '';
    for await (const chunk of request) body += chunk;
    if (request.method === 'PUT') values.set(pathname, body);
    const value = values.get(pathname);
    return value === undefined ? response.writeHead(404).end() : response.end(value);
  });
  return new URL(url).host;
}

async function startServer(answer) {
  const server = createServer(answer);
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  server.unref();
  return `http://127.0.0.1:${server.address().port}`;
}

function isListening(port) {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => resolve(true));
    socket.on('error', () => resolve(false)).on('connect', () => socket.destroy());
  });
}

/** Returns the CPU time that a process has used, in clock ticks (proc(5): utime and stime). */
function cpuTicks({ pid }) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
  return Number(fields[11]) + Number(fields[12]);
}

function results(table) {
  const version = (name) => JSON.parse(readFileSync(join(root, `node_modules/${name}/package.json`), 'utf8')).version;
  return `# Requests

Made by \`make bench\` on ${new Date().toISOString().slice(0, 10)}: ${cpus().length} × ${cpus()[0].model}, workerd ${version('workerd')}, Node ${process.versions.node}.
${ROUNDS} rounds of ${MS} ms, 16 connections, an origin with a body of 200 bytes. All values are medians; ratios compare measurements of one round.
The CPU time is that of the process of workerd. \`challenge\` creates its invoices with a stub of LNbits.

${table}
`;
}

function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  return (sorted[Math.floor((sorted.length - 1) / 2)] + sorted[Math.ceil((sorted.length - 1) / 2)]) / 2;
}
