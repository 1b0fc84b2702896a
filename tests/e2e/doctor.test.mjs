import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { startLnbits } from '../../tools/lib/lnbits.mjs';
import { freePort, root } from '../../tools/lib/run.mjs';
import { invoicesFor, lnbits, run, writeConfig } from './support/paywall.mjs';

// As tools/build.sh built it.
const edgetoll = join(process.env.CARGO_TARGET_DIR ?? join(root, 'target'), 'debug/edgetoll');
const good = { LNBITS_URL: lnbits.url, LNBITS_KEY: lnbits.merchant.invoiceKey };
const toll = { routes: [{ path: '/sold', sats: 5 }] };

/** Runs `edgetoll doctor` in a folder with these variables in .dev.vars; gives its exit code, output, and findings by check. */
async function doctor(vars, { args = [], config = { vars: { TOLL: toll } }, env = {}, name = '.dev.vars' } = {}) {
  const cwd = run.folder('doctor');
  writeConfig(cwd, config);
  writeFileSync(join(cwd, name), Object.entries(vars).map(([name, value]) => `${name}="${value}"\n`).join(''));
  const { code, stdout, stderr } = await new Promise((resolve) => {
    execFile(edgetoll, ['doctor', ...args], { cwd, env }, (error, stdout, stderr) => resolve({ code: error ? error.code : 0, stdout, stderr }));
  });
  for (const [name, value] of Object.entries({ ...vars, ...env })) {
    if (name.startsWith('LNBITS_KEY')) assert.ok(!(stdout + stderr).includes(value), 'a key is shown');
  }
  const lines = stdout.trimEnd().split('\n');
  const findings = {};
  for (const line of lines) {
    const [, level, check, sentence] = line.match(/^(OK|WARN|FAIL|SKIP) {2,4}(\S+(?: \S+)?) {2,}(.*)$/) ?? [];
    if (check) (findings[check] ??= []).push({ level, sentence });
  }
  return { code, stdout, stderr, lines, findings };
}

const levels = ({ findings }, at = 0) => Object.fromEntries(Object.entries(findings).map(([check, all]) => [check, all[at]?.level]));
const ALL_OK = { reachable: 'OK', clock: 'OK', version: 'OK', key: 'OK', invoice: 'OK', leak: 'OK', 'price source': 'OK', 'rate limit': 'OK' };
const ALL_SKIPPED = Object.fromEntries(Object.keys(ALL_OK).map((check) => [check, 'SKIP']));

/** An HTTP server that is not LNbits; `answers` are status and body by path, or a handler. */
async function startStub(answers) {
  const requests = [];
  const server = createServer((request, response) => {
    requests.push({ path: request.url, headers: request.headers });
    const answer = answers[request.url] ?? answers['*'];
    if (typeof answer === 'function') return answer(response);
    const [status, body, headers = {}] = answer ?? [404, {}];
    response.writeHead(status, headers).end(typeof body === 'string' ? body : JSON.stringify(body));
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${server.address().port}`, requests };
}

const healthy = (clock_s = 0) => [200, { server_time: Math.floor(Date.now() / 1000) + clock_s, up_time: '00:00:02' }];

test('a good LNbits passes every check, and one invoice is made', async () => {
  const before = await invoicesFor('edgetoll doctor');
  const result = await doctor(good);
  assert.equal(result.lines[0], `LNbits at ${lnbits.url} (LNBITS_URL of .dev.vars, LNBITS_KEY of .dev.vars)`);
  assert.deepEqual(levels(result), ALL_OK, result.stdout);
  assert.deepEqual(Object.keys(result.findings), Object.keys(ALL_OK));
  assert.equal(result.findings.version[0].sentence, '1.6.2');
  assert.match(result.findings.invoice[0].sentence, /^of 1 sat was made in \d+ ms and looked up in \d+ ms$/);
  assert.match(result.findings['rate limit'][0].sentence, /^takes 121 requests/);
  assert.equal(result.lines.at(-1), '0 FAIL, 0 WARN');
  assert.equal(result.code, 0);
  assert.equal(await invoicesFor('edgetoll doctor'), before + 1);
});

test('an admin key fails, and so does the key of no wallet; neither makes an invoice', async () => {
  const before = await invoicesFor('edgetoll doctor');
  for (const [LNBITS_KEY, sentence] of [
    [lnbits.merchant.adminKey, /is an admin key, which can spend what you earn: put the invoice key/],
    ['0123456789abcdef0123456789abcdef', /is of no wallet there/],
  ]) {
    const result = await doctor({ ...good, LNBITS_KEY });
    assert.deepEqual(levels(result), { ...ALL_OK, key: 'FAIL', invoice: 'SKIP', leak: 'SKIP' }, result.stdout);
    assert.match(result.findings.key[0].sentence, sentence);
    assert.equal(result.lines.at(-1), '1 FAIL, 0 WARN');
    assert.equal(result.code, 1);
  }
  assert.equal(await invoicesFor('edgetoll doctor'), before);
});

test('LNbits 1.5.5 fails twice: by its version, and because it tells a preimage to anybody', async () => {
  const old = await startLnbits(run, { venv: 'lnbits-1.5.5', dataDir: join(run.folder('leaking'), 'lnbits') });
  const result = await doctor({ LNBITS_URL: old.url, LNBITS_KEY: old.merchant.invoiceKey });
  await old.server.stop();
  assert.deepEqual(levels(result), { ...ALL_OK, version: 'FAIL', leak: 'FAIL' }, result.stdout);
  assert.match(result.findings.version[0].sentence, /^is 1\.5\.5, .*update LNbits to 1\.6\.0/);
  assert.match(result.findings.leak[0].sentence, /update LNbits to 1\.6\.0/);
  assert.equal(result.code, 1);
});

test('a rate limit below invoices_per_minute is measured, each time anew and without spoiling another check; a price source is seen', async () => {
  const prices = await startStub({ '/rate/USD': [200, { rates: { median: 60_000 } }] });
  const env = { LNBITS_RATE_LIMIT_NO: '50', LNBITS_RATE_LIMIT_UNIT: 'minute', LNBITS_PRICE_AGGREGATOR_ENABLED: 'true', LNBITS_PRICE_AGGREGATOR_URL: prices.url };
  const limited = await startLnbits(run, { dataDir: join(run.folder('limited'), 'lnbits'), env });
  const vars = { LNBITS_URL: limited.url, LNBITS_KEY: limited.merchant.invoiceKey };
  const config = { vars: { TOLL: { routes: [{ path: '/sold', fiat: '0.01 USD' }] } } };
  for (let time = 0; time < 2; time += 1) {
    const result = await doctor(vars, { config });
    assert.deepEqual(levels(result), { ...ALL_OK, 'rate limit': 'WARN' }, result.stdout);
    assert.match(result.findings['rate limit'][0].sentence, /^takes 50 requests in a row, and invoices_per_minute is 120: lower/);
    // 100,000,000 / 60,000
    assert.equal(result.findings['price source'][0].sentence, '1 USD is 1666.67 sats');
    assert.equal(result.code, 0);
  }
  const slower = await doctor(vars, { config: { vars: { TOLL: { ...toll, invoices_per_minute: 49 } } } });
  assert.deepEqual(levels(slower), ALL_OK, slower.stdout);
  await limited.server.stop();
});

test('however many invoices a minute are allowed, at most 500 requests try the rate limit', async () => {
  const stub = await startStub({ '/api/v1/health': healthy() });
  const config = { vars: { TOLL: { ...toll, invoices_per_minute: 100_000 } } };
  const result = await doctor({ ...good, LNBITS_URL: stub.url }, { config });
  assert.match(result.findings['rate limit'][0].sentence, /^takes 500 requests in a row; more were not tried/);
  assert.equal(stub.requests.filter(({ path }) => path.startsWith('/api/v1/payments/')).length, 500);
});

test('prices in a currency fail where LNbits has no rate for it', async () => {
  const routes = [{ path: '/sold', fiat: '0.01 USD' }, { path: '/also', fiat: '1 EUR' }];
  const result = await doctor(good, { config: { vars: { TOLL: { routes } } } });
  assert.deepEqual(levels(result), { ...ALL_OK, 'price source': 'FAIL' }, result.stdout);
  assert.match(result.findings['price source'][0].sentence, /no rate for EUR, USD:/);
  assert.equal(result.code, 1);
});

test('an invoice for another network than the price list says is refused, as in the Worker', async () => {
  const result = await doctor(good, { config: { vars: { TOLL: { ...toll, network: 'tb' } } } });
  assert.deepEqual(levels(result), { ...ALL_OK, invoice: 'FAIL', leak: 'SKIP' }, result.stdout);
  assert.match(result.findings.invoice[0].sentence, /another network: set `network`/);
});

test('both wallets are examined; of one that is down nothing more is asked', async () => {
  const down = `http://127.0.0.1:${await freePort()}`;
  const result = await doctor({ ...good, LNBITS_URL_2: down, LNBITS_KEY_2: 'second2second2' });
  assert.deepEqual(levels(result, 0), ALL_OK, result.stdout);
  assert.deepEqual(levels(result, 1), { ...ALL_SKIPPED, reachable: 'FAIL' }, result.stdout);
  assert.ok(result.lines.includes(`LNbits at ${down} (LNBITS_URL_2 of .dev.vars, LNBITS_KEY_2 of .dev.vars)`));
  assert.match(result.findings.reachable[1].sentence, /^nothing listens there/);
  assert.equal(result.lines.at(-1), '1 FAIL, 0 WARN');
  assert.equal(result.code, 1);
});

test('what cannot be asked fails with its reason: no TLS, no answer, no HTTP, no such host', async () => {
  const silent = await startStub({ '*': () => {} });
  const rude = await startStub({ '*': (response) => response.socket.end('SSH-2.0-rude\r\n') });
  for (const [LNBITS_URL, reason] of [
    [lnbits.url.replace('http:', 'https:'), /^there is no trustworthy TLS/],
    [silent.url, /^there was no answer within 5 s$/],
    [rude.url, /^what listens there gave no HTTP answer/],
    ['https://255.255.255.255', /^there is no way there/],
  ]) {
    const result = await doctor({ ...good, LNBITS_URL });
    assert.deepEqual(levels(result), { ...ALL_SKIPPED, reachable: 'FAIL' }, result.stdout);
    assert.match(result.findings.reachable[0].sentence, reason);
    assert.equal(result.code, 1);
  }
});

test('no redirect is followed: the key stays with the host that it is for', async () => {
  const elsewhere = await startStub({ '*': healthy() });
  const moved = await startStub({ '*': [307, '', { Location: `${elsewhere.url}/first_install` }] });
  const result = await doctor({ ...good, LNBITS_URL: moved.url });
  assert.match(result.findings.reachable[0].sentence, /^LNbits is not set up yet, or has moved/);
  assert.equal(moved.requests.length, 1);
  assert.equal(moved.requests[0].headers['x-api-key'], undefined);

  const luring = await startStub({ '/api/v1/health': healthy(), '*': [302, '', { Location: `${elsewhere.url}/` }] });
  assert.equal((await doctor({ ...good, LNBITS_URL: luring.url })).findings.key[0].level, 'FAIL');
  assert.ok(luring.requests.some(({ headers }) => headers['x-api-key'] === good.LNBITS_KEY));
  assert.equal(elsewhere.requests.length, 0);
});

test('an LNbits on this machine is not asked through a proxy', async () => {
  const proxy = await startStub({ '*': healthy() });
  const env = { http_proxy: proxy.url, HTTP_PROXY: proxy.url, HTTPS_PROXY: proxy.url, ALL_PROXY: proxy.url };
  assert.deepEqual(levels(await doctor(good, { env })), ALL_OK);
  assert.equal(proxy.requests.length, 0);
});

test('nothing of an answer is shown but numbers and the version, and none is read without end', async () => {
  const told = 'TOLD';
  const hostile = await startStub({
    '/api/v1/health': [200, { server_time: Math.floor(Date.now() / 1000) + 700, up_time: told, detail: told }],
    '/openapi.json': [200, { info: { version: `1.6.2\u001b[2J\u0007\n${'x'.repeat(5_000)}`, title: told } }],
    '/api/v1/wallet': [200, { name: told, balance: 1 }],
    '/api/v1/payments': [520, { detail: told }],
    '/api/v1/rate/USD': [200, { rate: told }],
    '*': [500, { detail: told }],
  });
  const result = await doctor({ ...good, LNBITS_URL: hostile.url });
  assert.deepEqual(levels(result), { ...ALL_OK, clock: 'FAIL', invoice: 'FAIL', leak: 'SKIP', 'rate limit': 'WARN' }, result.stdout);
  assert.ok(!result.stdout.includes(told));
  assert.match(result.stdout, /^[\x20-\x7e\n]*$/);
  assert.equal(result.findings.version[0].sentence.length, 20);
  assert.match(result.findings.clock[0].sentence, /^(699|70[01]) s from this machine's/);
  assert.match(result.findings.invoice[0].sentence, /status 520: look into LNbits' log/);

  const endless = { '/api/v1/health': healthy(), '/api/v1/wallet': (response) => response.end(JSON.stringify({ balance: 1, name: 'x'.repeat(65_536) })) };
  const large = await doctor({ ...good, LNBITS_URL: (await startStub(endless)).url });
  assert.match(large.findings.key[0].sentence, /larger than LNbits' can be/);
});

test('the settings are found as for the deployment: environment, .dev.vars of the environment, its own vars', async () => {
  const { LNBITS_URL, LNBITS_KEY } = good;
  const config = { vars: { TOLL: toll }, env: { staging: { vars: { TOLL: toll, LNBITS_URL } } } };
  const staging = await doctor({ LNBITS_KEY }, { config, args: ['--env', 'staging'], name: '.dev.vars.staging' });
  assert.equal(staging.lines[0], `LNbits at ${LNBITS_URL} (LNBITS_URL of wrangler.json, LNBITS_KEY of .dev.vars.staging)`);
  assert.equal(staging.code, 0, staging.stdout);
  // That of `make dev` is not the one that this key is for.
  const local = { LNBITS_URL: `http://127.0.0.1:${await freePort()}`, LNBITS_KEY: 'locallocal' };
  const deployed = await doctor(local, { config: { vars: { TOLL: toll, LNBITS_URL } }, env: { LNBITS_KEY } });
  assert.equal(deployed.lines[0], `LNbits at ${LNBITS_URL} (LNBITS_URL of wrangler.json, LNBITS_KEY of the environment)`);
  assert.equal(deployed.code, 0, deployed.stdout);
});

test('without its settings it ends with 2, and says what is missing and how to give it without the shell remembering', async () => {
  const { LNBITS_URL, LNBITS_KEY } = good;
  for (const [vars, options, sentence] of [
    [{ LNBITS_URL }, {}, /LNBITS_KEY is missing: .*\n +\(read -rs LNBITS_KEY && export LNBITS_KEY && edgetoll doctor\)/],
    [{ LNBITS_KEY }, {}, /LNBITS_URL is missing/],
    [{ ...good, LNBITS_URL_2: LNBITS_URL }, {}, /LNBITS_KEY_2 is missing/],
    [{ ...good, LNBITS_URL: 'http://lnbits.example.com' }, {}, /LNBITS_URL of \.dev\.vars cannot be used: a good one is an https URL/],
    [{ ...good, LNBITS_KEY: 'key of mine' }, {}, /LNBITS_KEY of \.dev\.vars cannot be used/],
    [good, { args: ['--env', 'prod'] }, /wrangler\.json has no environment prod/],
    [good, { args: ['other.toml'] }, /other\.toml cannot be read/],
  ]) {
    const result = await doctor(vars, options);
    assert.match(result.stderr, sentence);
    assert.equal(result.stdout, '');
    assert.equal(result.code, 2);
  }
  const unknown = await doctor(good, { args: ['--key', LNBITS_KEY.slice(1)] });
  assert.equal(unknown.code, 2);
});

test('a price list that cannot be read is noted, and the defaults are taken', async () => {
  const result = await doctor(good, { config: { vars: {} } });
  assert.match(result.lines[0], /^WARN  price list    there is none, or it cannot be read/);
  assert.match(result.findings['rate limit'][0].sentence, /invoices_per_minute is 120/);
  assert.equal(result.code, 0);
});
