// What the benchmarks share: Workers in workerd with an origin and a wallet, load, and CPU time in interleaved rounds.
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { startLnbits } from '../tools/lib/lnbits.mjs';
import { freePort, root } from '../tools/lib/run.mjs';

const WARM_UP_MS = 1000;
const AFTER_IDLE_MS = 300;

/** Starts what all benchmarks use: an origin, LNbits, a stub of LNbits, and the Worker that all others are compared with. */
export async function startBench(run) {
  const [lnbits, origin] = await Promise.all([startLnbits(run, { dataDir: run.folder('lnbits') }), startOrigin(run)]);
  const vars = { TOLL_SECRET: randomBytes(32).toString('hex'), ORIGIN_URL: origin, LNBITS_URL: lnbits.url, LNBITS_KEY: lnbits.merchant.invoiceKey };
  const withStub = { ...vars, LNBITS_URL: await startWalletStub(lnbits) };
  const host = `Host: ${new URL(origin).host}`;
  return { run, lnbits, vars, withStub, host, bare: await startWorker(run, 'bare', vars) };
}

/**
 * Returns a case: a request to a server, which is measured again and again.
 * @param {number[]} [options.status] the statuses that responses may have
 * @param {number} [options.clients] the number of addresses that requests come from
 */
export function newCase(name, server, path, headers = [], { status = [200], method = 'GET', bodyLength = 0, connections = 16, clients = 1 } = {}) {
  const edge = [
    'User-Agent: Mozilla/5.0 (X11; Linux x86_64) agent/1.0', 'Accept: application/json', 'Accept-Encoding: gzip, br',
    'CF-Connecting-IP: 203.0.113.7', 'CF-IPCountry: DE', 'CF-Ray: 9a1b2c3d4e5f6789-FRA', 'CF-Visitor: {"scheme":"https"}',
    'CDN-Loop: cloudflare; loops=1', 'X-Forwarded-Proto: https', 'X-Real-IP: 203.0.113.7',
  ];
  const host = headers.some((line) => line.startsWith('Host:')) ? [] : [`Host: 127.0.0.1:${server.port}`];
  const length = bodyLength ? [`Content-Length: ${bodyLength}`] : [];
  const head = [`${method} ${path} HTTP/1.1`, ...host, ...edge, ...length, ...headers, '', ''].join('\r\n');
  return { name, server, status, load: { port: server.port, pid: server.pid, head, connections, bodyLength, clients, firstClient: 0 }, cpu: [], rate: [] };
}

/**
 * Measures all cases in rounds, in the opposite order every other round: adds CPU µs and requests per second to each case. Before,
 * each client of a case has sent a request, and V8 has had a second to compile what the case runs.
 */
export async function measure(cases, rounds, ms) {
  for (const one of cases) await load(one, { ms: WARM_UP_MS, requests: one.load.clients }, 1);
  for (let round = 0; round < rounds; round++) {
    for (const one of round % 2 ? cases.toReversed() : cases) {
      // V8 drops compiled code of an idle process.
      const sent = await load(one, { ms: AFTER_IDLE_MS, requests: 1 }, ms);
      one.cpu.push((sent.cpuMs * 1000) / sent.requests);
      one.rate.push((sent.requests * 1000) / sent.ms);
    }
  }
}

/** Sends the request of a case, and measures after some time and some requests. Returns the number of responses, the milliseconds, and the CPU time. */
async function load({ name, status, load }, before, ms) {
  const { stdout } = await promisify(execFile)(process.execPath, [join(root, 'benches/load.mjs'), JSON.stringify({ ...load, before, ms })]);
  const { statuses, sent, ...measured } = JSON.parse(stdout);
  if (!Object.keys(statuses).every((one) => status.includes(Number(one)))) throw new Error(`${name}: ${JSON.stringify(statuses)} instead of ${status}`);
  const requests = Object.values(statuses).reduce((sum, count) => sum + count);
  load.firstClient = (load.firstClient + sent) % load.clients;
  return { requests, ...measured };
}

/** Returns the median of the ratios of two lists, in each round, and their spread. */
export function ratio(values, base, digits = 2) {
  const ratios = values.map((value, at) => value / base[at]);
  return [median(ratios).toFixed(digits), `${Math.min(...ratios).toFixed(digits)} to ${Math.max(...ratios).toFixed(digits)}`];
}

export function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  return (sorted[Math.floor((sorted.length - 1) / 2)] + sorted[Math.ceil((sorted.length - 1) / 2)]) / 2;
}

/** Returns a table in Markdown. */
export function table(titles, rows) {
  return [titles, titles.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

/** Returns the resident memory of a server in MiB. */
export function residentMib({ pid }) {
  return Math.round(Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1024);
}

/** Buys a credential, uses it once, so that the payment is known to be settled, and asks for its cookie. */
export async function buy({ port }, path, lnbits) {
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
export function startWorker(run, name, vars) {
  return startWorkerd(run, name, { 'index.js': join(root, `benches/workers/${name}.js`) }, vars, {});
}

/** Starts the Worker in Rust that only forwards requests. */
export function startRustPass(run) {
  return startWorkerd(run, 'rust-pass', built('benches/workers/rust-pass/build'), {}, {});
}

/** Starts edgetoll with all of its bindings, as it is deployed. */
export async function startEdgetoll(run, vars, list) {
  const kv = await startKv();
  const unlimited = { challenges_per_minute: 1_000_000, invoices_per_minute: 1_000_000, ...list };
  const classes = { METER: 'Meter', FREE_TIER_EXACT: 'FreeTierCounter', INVOICE_LIMIT: 'InvoiceLimit', LEDGER: 'Ledger' };
  const objects = Object.entries(classes).map(([binding, name]) => `(name = "${binding}", durableObjectNamespace = "${name}")`);
  return startWorkerd(run, 'edgetoll', built('build'), vars, {
    bindings: [...objects, `(name = "TOLL", json = ${JSON.stringify(JSON.stringify(unlimited))})`, '(name = "TOLL_KV", kvNamespace = "kv")'],
    namespaces: Object.values(classes).map((name) => `(className = "${name}", uniqueKey = "${name}", enableSql = true)`),
    services: [`(name = "kv", external = (address = "${kv}", http = ()))`],
  });
}

function built(folder) {
  return Object.fromEntries(['index.js', 'index_bg.wasm'].map((file) => [file, join(root, folder, file)]));
}

async function startWorkerd(run, name, files, vars, { bindings = [], namespaces = [], services = [] }) {
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
  return { port, pid: server.child.pid, stop: () => server.stop() };
}

/** Starts a proxy with the package lightning-toll from PyPI. Its `credential` is one for `GET /api/joke`. */
export async function startLightningToll(run, vars) {
  const port = await freePort();
  let credential;
  const args = [join(root, 'benches/workers/lightning_toll_proxy.py'), port];
  const server = run.start('lightning-toll', join(root, '.tools/lightning-toll/bin/python'), args, {
    env: { ...process.env, ...vars },
    onLine: (line) => (credential ??= line.startsWith('L402 ') ? line : undefined),
  });
  await server.until(() => isListening(port));
  return { port, pid: server.child.pid, credential };
}

/** Starts the origin in a process of its own. */
async function startOrigin(run) {
  const port = await freePort();
  await run.start('origin', process.execPath, [join(root, 'benches/origin.mjs'), port]).until(() => isListening(port));
  return `http://127.0.0.1:${port}`;
}

/** Starts a server that answers as an LNbits that creates the same invoice for a minute, because a real LNbits is slow. */
async function startWalletStub(lnbits) {
  const key = { 'X-Api-Key': lnbits.merchant.invoiceKey, 'Content-Type': 'application/json' };
  const order = { method: 'POST', headers: key, body: JSON.stringify({ out: false, amount: 5, expiry: 300, memo: 'x' }) };
  const newInvoice = async () => (await fetch(`${lnbits.url}/api/v1/payments`, order)).text();
  let invoice = await newInvoice();
  setInterval(async () => (invoice = await newInvoice()), 60_000).unref();
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
