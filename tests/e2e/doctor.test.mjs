import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { startLnbits } from '../../tools/lib/lnbits.mjs';
import { freePort, root } from '../../tools/lib/run.mjs';
import { newConnection, startNwcWallet, startReceivingWallet, startRelay } from './support/nwc.mjs';
import { unpackRelease } from './support/release.mjs';
import { invoicesFor, lnbits, run, settings, startPaywall, writeConfig } from './support/paywall.mjs';

// The command-line tool, which tools/build.sh builds; or the one of the npm package, if EDGETOLL_COMMAND is npm.
const packageBin = process.env.EDGETOLL_COMMAND === 'npm' && join(unpackRelease(), 'bin');
const [edgetoll, ...before] = packageBin
  ? [process.execPath, join(packageBin, 'edgetoll.js')]
  : [join(process.env.CARGO_TARGET_DIR ?? join(root, 'target'), 'debug/edgetoll')];
const validSettings = { LNBITS_URL: lnbits.url, LNBITS_KEY: lnbits.merchant.invoiceKey };
const toll = { routes: [{ path: '/sold', sats: 5 }] };
const { kv_namespaces, durable_objects, ratelimits, assets, migrations } = settings();
const bindings = { kv_namespaces, durable_objects, ratelimits, assets, migrations };
const origin = await startStub({ '*': [404, {}] });

let started;
/** Starts a paywall that sells. */
const paywall = () => (started ??= startPaywall({ toll, vars: { ORIGIN_URL: origin.url } }));

/**
 * Runs `edgetoll doctor` in a new folder, with `vars` in .dev.vars, where ORIGIN_URL is that of an origin by default. Returns the
 * exit code, the output, and the findings of each check.
 */
async function doctor(vars, { args = [], config = { vars: { TOLL: toll } }, env = {}, name = '.dev.vars' } = {}) {
  const cwd = run.folder('doctor');
  writeConfig(cwd, { ...bindings, ...config });
  if (packageBin) {
    // For the commands that doctor prints.
    mkdirSync(join(cwd, 'node_modules/.bin'), { recursive: true });
    symlinkSync(join(packageBin, 'edgetoll.js'), join(cwd, 'node_modules/.bin/edgetoll'));
  }
  const local = Object.entries({ ORIGIN_URL: origin.url, ...vars }).filter(([, value]) => value !== undefined);
  writeFileSync(join(cwd, name), local.map(([name, value]) => `${name}="${value}"\n`).join(''));
  const { code, stdout, stderr } = await new Promise((resolve) => {
    execFile(edgetoll, [...before, 'doctor', ...args], { cwd, env }, (error, stdout, stderr) => resolve({ code: error ? error.code : 0, stdout, stderr }));
  });
  for (const [name, value] of Object.entries({ ...vars, ...env })) {
    if (/KEY|SECRET|TOKEN/.test(name)) assert.ok(!(stdout + stderr).includes(value), `the output contains ${name}`);
  }
  const lines = stdout.trimEnd().split('\n');
  const findings = {};
  for (const line of lines) {
    const [, level, check, sentence] = line.match(/^(OK|WARN|FAIL|SKIP) {2,4}(\S+(?: \S+)?) {2,}(.*)$/) ?? [];
    if (check) (findings[check] ??= []).push({ level, sentence });
  }
  return { code, stdout, stderr, lines, findings, cwd, headings: lines.filter((line) => line.startsWith('LNbits at ')) };
}

/** Returns the levels of the checks of one wallet. */
const levels = ({ findings }, at = 0) => Object.fromEntries(Object.keys(ALL_OK).map((check) => [check, findings[check]?.[at]?.level]));
const ALL_OK = { reachable: 'OK', clock: 'OK', version: 'OK', key: 'OK', invoice: 'OK', leak: 'OK', 'price source': 'OK', 'rate limit': 'OK' };
const ALL_SKIPPED = Object.fromEntries(Object.keys(ALL_OK).map((check) => [check, 'SKIP']));

/** Starts an HTTP server in the role of LNbits. `answers` maps a path, or `*` for all other paths, to a response or a handler. */
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

test('With a working LNbits, all checks of doctor pass, and doctor creates one invoice', async () => {
  const before = await invoicesFor('edgetoll doctor');
  const result = await doctor(validSettings);
  assert.deepEqual(result.headings, [`LNbits at ${lnbits.url} (LNBITS_URL from .dev.vars, LNBITS_KEY from .dev.vars)`]);
  assert.deepEqual(levels(result), ALL_OK, result.stdout);
  const ofDeployment = ['price list', 'secret', 'admin token', 'bindings', 'origin', 'public URL'];
  assert.deepEqual(Object.keys(result.findings), [...ofDeployment, ...Object.keys(ALL_OK)]);
  assert.equal(result.findings.version[0].sentence, '1.6.2');
  assert.match(result.findings.invoice[0].sentence, /^an invoice of 1 sat was created in \d+ ms and looked up in \d+ ms$/);
  assert.match(result.findings['rate limit'][0].sentence, /^LNbits answers 121 requests/);
  assert.equal(result.lines.at(-1), '0 FAIL, 0 WARN');
  assert.equal(result.code, 0);
  assert.equal(await invoicesFor('edgetoll doctor'), before + 1);
});

test('With an admin key or an unknown key, the check `key` of doctor fails, and doctor creates no invoice', async () => {
  const before = await invoicesFor('edgetoll doctor');
  for (const [LNBITS_KEY, sentence] of [
    [lnbits.merchant.adminKey, /is an admin key, which can spend what you earn, so the Worker sells nothing: use the invoice key/],
    ['0123456789abcdef0123456789abcdef', /LNbits has no wallet with this key/],
  ]) {
    const result = await doctor({ ...validSettings, LNBITS_KEY });
    assert.deepEqual(levels(result), { ...ALL_OK, key: 'FAIL', invoice: 'SKIP', leak: 'SKIP' }, result.stdout);
    assert.match(result.findings.key[0].sentence, sentence);
    assert.equal(result.lines.at(-1), '1 FAIL, 0 WARN');
    assert.equal(result.code, 1);
  }
  assert.equal(await invoicesFor('edgetoll doctor'), before);
});

test('With LNbits 1.5.5, which exposes preimages, the checks `version` and `leak` of doctor fail', async () => {
  const old = await startLnbits(run, { venv: 'lnbits-1.5.5', dataDir: join(run.folder('leaking'), 'lnbits') });
  const result = await doctor({ LNBITS_URL: old.url, LNBITS_KEY: old.merchant.invoiceKey });
  await old.server.stop();
  assert.deepEqual(levels(result), { ...ALL_OK, version: 'FAIL', leak: 'FAIL' }, result.stdout);
  assert.match(result.findings.version[0].sentence, /^LNbits 1\.5\.5 .*update LNbits to 1\.6\.0/);
  assert.match(result.findings.leak[0].sentence, /update LNbits to 1\.6\.0/);
  assert.equal(result.code, 1);
});

test('Doctor warns on each run if the rate limit of LNbits is below invoices_per_minute, and prints the rate of a fiat currency', async () => {
  const prices = await startStub({ '/rate/USD': [200, { rates: { median: 60_000 } }] });
  const env = { LNBITS_RATE_LIMIT_NO: '50', LNBITS_RATE_LIMIT_UNIT: 'minute', LNBITS_PRICE_AGGREGATOR_ENABLED: 'true', LNBITS_PRICE_AGGREGATOR_URL: prices.url };
  const limited = await startLnbits(run, { dataDir: join(run.folder('limited'), 'lnbits'), env });
  const vars = { LNBITS_URL: limited.url, LNBITS_KEY: limited.merchant.invoiceKey };
  const config = { vars: { TOLL: { routes: [{ path: '/sold', fiat: '0.01 USD' }] } } };
  for (let time = 0; time < 2; time += 1) {
    const result = await doctor(vars, { config });
    assert.deepEqual(levels(result), { ...ALL_OK, 'rate limit': 'WARN' }, result.stdout);
    assert.match(result.findings['rate limit'][0].sentence, /^LNbits answers 50 requests in a row, but invoices_per_minute is 120: lower/);
    // 100,000,000 sats per bitcoin / 60,000 USD per bitcoin
    assert.equal(result.findings['price source'][0].sentence, '1 USD is 1666.67 sats');
    assert.equal(result.code, 0);
  }
  const slower = await doctor(vars, { config: { vars: { TOLL: { ...toll, invoices_per_minute: 49 } } } });
  assert.deepEqual(levels(slower), ALL_OK, slower.stdout);
  await limited.server.stop();
});

test('Doctor measures the rate limit of LNbits with at most 500 requests', async () => {
  const stub = await startStub({ '/api/v1/health': healthy() });
  const config = { vars: { TOLL: { ...toll, invoices_per_minute: 100_000 } } };
  const result = await doctor({ ...validSettings, LNBITS_URL: stub.url }, { config });
  assert.match(result.findings['rate limit'][0].sentence, /^LNbits answers 500 requests in a row; more were not sent/);
  assert.equal(stub.requests.filter(({ path }) => path.startsWith('/api/v1/payments/')).length, 500);
});

test('The check `price source` of doctor fails if LNbits has no rate for a currency of the price list', async () => {
  const routes = [{ path: '/sold', fiat: '0.01 USD' }, { path: '/also', fiat: '1 EUR' }];
  const result = await doctor(validSettings, { config: { vars: { TOLL: { routes } } } });
  assert.deepEqual(levels(result), { ...ALL_OK, 'price source': 'FAIL' }, result.stdout);
  assert.match(result.findings['price source'][0].sentence, /no rate for EUR, USD:/);
  assert.equal(result.code, 1);
});

test('The check `invoice` of doctor fails if the invoice is for another network than the price list says', async () => {
  const result = await doctor(validSettings, { config: { vars: { TOLL: { ...toll, network: 'tb' } } } });
  assert.deepEqual(levels(result), { ...ALL_OK, invoice: 'FAIL', leak: 'SKIP' }, result.stdout);
  assert.match(result.findings.invoice[0].sentence, /another network: set `network`/);
});

test('Doctor checks both wallets; if a wallet is not reachable, the remaining checks of this wallet are skipped', async () => {
  const down = `http://127.0.0.1:${await freePort()}`;
  const result = await doctor({ ...validSettings, LNBITS_URL_2: down, LNBITS_KEY_2: 'second2second2' });
  assert.deepEqual(levels(result, 0), ALL_OK, result.stdout);
  assert.deepEqual(levels(result, 1), { ...ALL_SKIPPED, reachable: 'FAIL' }, result.stdout);
  assert.ok(result.lines.includes(`LNbits at ${down} (LNBITS_URL_2 from .dev.vars, LNBITS_KEY_2 from .dev.vars)`));
  assert.match(result.findings.reachable[1].sentence, /^the connection was refused: start LNbits/);
  assert.equal(result.lines.at(-1), '1 FAIL, 0 WARN');
  assert.equal(result.code, 1);
});

test('The check `reachable` of doctor fails and names the reason: no trusted TLS, no response, no HTTP, or no route to the host', async () => {
  const silent = await startStub({ '*': () => {} });
  const sshServer = await startStub({ '*': (response) => response.socket.end('SSH-2.0-rude\r\n') });
  for (const [LNBITS_URL, reason] of [
    [lnbits.url.replace('http:', 'https:'), /^there is no trusted TLS connection/],
    [silent.url, /^LNbits did not answer within 5 s: /],
    [sshServer.url, /^the server does not speak HTTP/],
    ['https://255.255.255.255', /^the host cannot be reached/],
  ]) {
    const result = await doctor({ ...validSettings, LNBITS_URL });
    assert.deepEqual(levels(result), { ...ALL_SKIPPED, reachable: 'FAIL' }, result.stdout);
    assert.match(result.findings.reachable[0].sentence, reason);
    assert.equal(result.code, 1);
  }
});

test('Doctor follows no redirect, so no other host gets the wallet key', async () => {
  const otherHost = await startStub({ '*': healthy() });
  const redirecting = await startStub({ '*': [307, '', { Location: `${otherHost.url}/first_install` }] });
  const result = await doctor({ ...validSettings, LNBITS_URL: redirecting.url });
  assert.match(result.findings.reachable[0].sentence, /^LNbits is not set up yet, or has moved/);
  assert.equal(redirecting.requests.length, 1);
  assert.equal(redirecting.requests[0].headers['x-api-key'], undefined);

  const redirectingLater = await startStub({ '/api/v1/health': healthy(), '*': [302, '', { Location: `${otherHost.url}/` }] });
  assert.equal((await doctor({ ...validSettings, LNBITS_URL: redirectingLater.url })).findings.key[0].level, 'FAIL');
  assert.ok(redirectingLater.requests.some(({ headers }) => headers['x-api-key'] === validSettings.LNBITS_KEY));
  assert.equal(otherHost.requests.length, 0);
});

test('Doctor calls an LNbits on localhost directly, even if an HTTP proxy is configured', async () => {
  const proxy = await startStub({ '*': healthy() });
  const env = { http_proxy: proxy.url, HTTP_PROXY: proxy.url, HTTPS_PROXY: proxy.url, ALL_PROXY: proxy.url };
  assert.deepEqual(levels(await doctor(validSettings, { env })), ALL_OK);
  assert.equal(proxy.requests.length, 0);
});

test('Doctor prints only numbers and the version from the responses of LNbits, and does not read large responses to the end', async () => {
  const marker = 'TOLD';
  const hostile = await startStub({
    '/api/v1/health': [200, { server_time: Math.floor(Date.now() / 1000) + 700, up_time: marker, detail: marker }],
    '/openapi.json': [200, { info: { version: `1.6.2\u001b[2J\u0007\n${'x'.repeat(5_000)}`, title: marker } }],
    '/api/v1/wallet': [200, { name: marker, balance: 1 }],
    '/api/v1/payments': [520, { detail: marker }],
    '/api/v1/rate/USD': [200, { rate: marker }],
    '*': [500, { detail: marker }],
  });
  const result = await doctor({ ...validSettings, LNBITS_URL: hostile.url });
  assert.deepEqual(levels(result), { ...ALL_OK, clock: 'FAIL', invoice: 'FAIL', leak: 'SKIP', 'rate limit': 'WARN' }, result.stdout);
  assert.ok(!result.stdout.includes(marker));
  assert.match(result.stdout, /^[\x20-\x7e\n]*$/);
  assert.equal(result.findings.version[0].sentence.length, 20);
  assert.match(result.findings.clock[0].sentence, /differ by (699|70[01]) s: set the clock that is wrong/);
  assert.match(result.findings.invoice[0].sentence, /status 520: see the log of LNbits/);

  const endless = { '/api/v1/health': healthy(), '/api/v1/wallet': (response) => response.end(JSON.stringify({ balance: 1, name: 'x'.repeat(65_536) })) };
  const large = await doctor({ ...validSettings, LNBITS_URL: (await startStub(endless)).url });
  assert.match(large.findings.key[0].sentence, /the response is larger than any response of LNbits/);
});

test('Doctor reads settings from the process environment, from .dev.vars, and from the vars in the Wrangler configuration', async () => {
  const { LNBITS_URL, LNBITS_KEY } = validSettings;
  const config = { vars: { TOLL: toll }, env: { staging: { ...bindings, vars: { TOLL: toll, LNBITS_URL } } } };
  const staging = await doctor({ LNBITS_KEY }, { config, args: ['--env', 'staging'], name: '.dev.vars.staging' });
  assert.deepEqual(staging.headings, [`LNbits at ${LNBITS_URL} (LNBITS_URL from wrangler.json, LNBITS_KEY from .dev.vars.staging)`]);
  assert.equal(staging.code, 0, staging.stdout);
  // A key in the process environment belongs to the deployed wallet. So doctor prefers the LNBITS_URL of the Wrangler file to
  // the LNBITS_URL of .dev.vars, which is the LNbits of `make dev`.
  const local = { LNBITS_URL: `http://127.0.0.1:${await freePort()}`, LNBITS_KEY: 'locallocal' };
  const deployed = await doctor(local, { config: { vars: { TOLL: toll, LNBITS_URL } }, env: { LNBITS_KEY } });
  assert.deepEqual(deployed.headings, [`LNbits at ${LNBITS_URL} (LNBITS_URL from wrangler.json, LNBITS_KEY from the process environment)`]);
  assert.equal(deployed.code, 0, deployed.stdout);
});

test('If a setting is missing or invalid, doctor exits with 2 and names the setting; for a missing wallet key, doctor prints a command that keeps the key out of the shell history', async () => {
  const { LNBITS_URL, LNBITS_KEY } = validSettings;
  for (const [vars, options, sentence] of [
    [{ LNBITS_URL }, {}, /LNBITS_KEY is missing: .*\n +\(read -rs LNBITS_KEY && export LNBITS_KEY && \S*(?:npx )?edgetoll doctor\)/],
    [{ LNBITS_KEY }, {}, /LNBITS_URL is missing/],
    [{ ...validSettings, LNBITS_URL_2: LNBITS_URL }, {}, /LNBITS_KEY_2 is missing/],
    [{ ...validSettings, LNBITS_URL: 'http://lnbits.example.com' }, {}, /LNBITS_URL from \.dev\.vars cannot be used: it must be an https URL/],
    [{ ...validSettings, LNBITS_KEY: 'key of mine' }, {}, /LNBITS_KEY from \.dev\.vars cannot be used/],
    [validSettings, { args: ['--env', 'prod'] }, /wrangler\.json has no environment prod/],
    [validSettings, { args: ['other.toml'] }, /other\.toml cannot be read/],
  ]) {
    const result = await doctor(vars, options);
    assert.match(result.stderr, sentence);
    assert.doesNotMatch(result.stdout, /^LNbits at/m);
    assert.equal(result.code, 2);
  }
  const unknown = await doctor(validSettings, { args: ['--key', LNBITS_KEY.slice(1)] });
  assert.equal(unknown.code, 2);
});

test('If the price list is missing, doctor warns and uses the default settings', async () => {
  const result = await doctor(validSettings, { config: { vars: {} } });
  assert.match(result.lines[1], /^WARN  price list    TOLL is missing or cannot be read/);
  assert.match(result.findings['rate limit'][0].sentence, /invoices_per_minute is 120/);
  assert.equal(result.code, 0);
});

// U14 (CHANGELOG)
test('The command that doctor prints for a missing key runs, and so does the command that it prints for a price list with a mistake', async () => {
  const { LNBITS_URL, LNBITS_KEY } = validSettings;
  const { cwd, stderr, stdout } = await doctor({ LNBITS_URL }, { config: { vars: { TOLL: { routes: [{ path: '/sold', sats: '5' }] } } } });
  const shell = (command, input = '') =>
    new Promise((resolve) => {
      const child = execFile('bash', ['-c', command], { cwd }, (error, stdout, stderr) => resolve({ code: error ? error.code : 0, output: stdout + stderr }));
      // A command that ends before it reads its input has a result too.
      child.stdin.on('error', () => {});
      child.stdin.end(input);
    });
  const withKey = await shell(stderr.match(/\n +(\(read .*\))/)[1], `${LNBITS_KEY}\n`);
  assert.match(withKey.output, /^OK +key +this is an invoice key$/m);
  const check = await shell(stdout.match(/run `(.*)`/)[1]);
  assert.match(check.output, /^wrangler\.json:\d+:\d+: error: TOLL\.routes\[0\]\.sats is "5"/m);
  assert.equal(check.code, 1);
});

// U14 (CHANGELOG)
test('Doctor examines the secrets that are on this machine, and says how to see those that are on Cloudflare', async () => {
  const weak = await doctor({ TOLL_SECRET: ' 2b6d4c1f8e9a0b3c5d7e6f1a2b3c4d5e', ADMIN_TOKEN: 'abcdefg', ORIGIN_TOKEN: 'qwertz', ORIGIN_SECRET: 'qwertz', ON_PAYMENT_SECRET: 'qwertz' });
  for (const [check, sentence] of [
    ['secret', /^TOLL_SECRET from \.dev\.vars begins or ends with white space/],
    ['admin token', /^ADMIN_TOKEN from \.dev\.vars is shorter than 32 characters: make one with `openssl rand -hex 32`/],
    ['origin token', /^ORIGIN_TOKEN from \.dev\.vars is not sent: it must have at least 16/],
    ['signature', /^ORIGIN_SECRET from \.dev\.vars is shorter than 32 characters: make one with `openssl rand -hex 32`/],
    ['callbacks', /^ON_PAYMENT_URL is missing/],
  ]) {
    assert.equal(weak.findings[check]?.[0].level, 'FAIL', check);
    assert.match(weak.findings[check][0].sentence, sentence);
  }
  const TOLL_SECRET = randomBytes(32).toString('hex');
  const equal = await doctor({ TOLL_SECRET, TOLL_SECRET_PREVIOUS: TOLL_SECRET, ADMIN_TOKEN: TOLL_SECRET, ORIGIN_SECRET: TOLL_SECRET });
  assert.deepEqual(equal.findings.secret.map(({ level }) => level), ['OK', 'WARN']);
  assert.equal(equal.findings['admin token'][0].level, 'FAIL');
  assert.match(equal.findings.signature[0].sentence, /^ORIGIN_SECRET from \.dev\.vars is not used: it must differ from TOLL_SECRET/);
  const staging = { env: { staging: { ...bindings, vars: { TOLL: toll } } } };
  const missing = await doctor({}, { config: staging, args: ['--env', 'staging'] });
  assert.equal(missing.findings.secret[0].level, 'SKIP');
  assert.match(missing.findings.secret[0].sentence, /`npx wrangler secret list --env staging`/);
});

// U14 (CHANGELOG)
test('The check `bindings` of doctor fails if the price list needs a missing binding, and warns of other missing bindings', async () => {
  const routes = [{ path: '/sold', sats: 5, uses: 5 }];
  const { findings } = await doctor({}, { config: { vars: { TOLL: { routes } }, durable_objects: undefined, assets: undefined } });
  const found = findings.bindings.map(({ level, sentence }) => `${level} ${sentence.match(/does not bind (\w+)/)[1]}`);
  assert.deepEqual(found, ['FAIL METER', 'WARN LEDGER', 'WARN INVOICE_LIMIT', 'WARN ASSETS']);
});

// U4, U14 (CHANGELOG)
test('The check `origin` of doctor says whether there is an origin, whether it answers, and whether it leads back to a paywall', async () => {
  const silent = await startStub({ '*': () => {} });
  const failing = await startStub({ '*': [502, ''] });
  const moved = await startStub({ '*': [301, '', { Location: 'https://elsewhere.example.com/' }] });
  const zone = { routes: [{ pattern: 'api.example.com/*', zone_name: 'example.com' }] };
  const service = { services: [{ binding: 'ORIGIN', service: 'shop' }] };
  for (const [ORIGIN_URL, config, level, sentence] of [
    [origin.url, {}, 'OK', /answers with status 404 in \d+ ms$/],
    [failing.url, {}, 'WARN', /answers with status 502: see the log of the origin/],
    [moved.url, {}, 'WARN', /redirects to another host/],
    [silent.url, {}, 'FAIL', /did not answer within 5 s/],
    [`http://127.0.0.1:${await freePort()}`, {}, 'FAIL', /refuses the connection/],
    [(await paywall()).url, {}, 'FAIL', /leads back to a paywall of edgetoll.*508 origin_loop/],
    ['origin.example.com', {}, 'FAIL', /must be an http or https URL/],
    [undefined, {}, 'FAIL', /ORIGIN_URL is missing/],
    [undefined, zone, 'OK', /the origin of the zone behind api\.example\.com/],
    [undefined, service, 'OK', /go to the Worker shop/],
  ]) {
    const result = await doctor({ ORIGIN_URL }, { config: { vars: { TOLL: toll }, ...config } });
    assert.equal(result.findings.origin?.[0].level, level, result.stdout);
    assert.match(result.findings.origin[0].sentence, sentence);
  }
  const local = { vars: { TOLL: toll, ORIGIN_URL: origin.url } };
  assert.match((await doctor({ ORIGIN_URL: undefined }, { config: local })).findings.origin[0].sentence, /Cloudflare cannot reach/);
});

// U14 (CHANGELOG)
test('The check `public URL` of doctor says whether the Worker answers there', async () => {
  const unreadable = await startPaywall({ toll: null });
  const observing = await startPaywall({ toll: { ...toll, mode: 'observe' } });
  for (const [PUBLIC_URL, level, sentence] of [
    [(await paywall()).url, 'OK', /the Worker answers in \d+ ms and can sell/],
    [observing.url, 'WARN', /the Worker answers in \d+ ms and observes: no one is charged/],
    [unreadable.url, 'FAIL', /can sell nothing: .*`npx wrangler tail`/],
    [origin.url, 'WARN', /another server answers with status 404/],
    [`http://127.0.0.1:${await freePort()}`, 'WARN', /nothing answers: deploy the Worker/],
    [undefined, 'SKIP', /PUBLIC_URL is not set/],
  ]) {
    const result = await doctor({ PUBLIC_URL });
    assert.equal(result.findings['public URL']?.[0].level, level, result.stdout);
    assert.match(result.findings['public URL'][0].sentence, sentence);
  }
});

/** Runs `edgetoll doctor` with an NWC wallet in slot 1. Returns the findings about the wallet. */
async function doctorWithNwc(connection, list = toll) {
  const vars = { NWC_URL: connection.url, LNBITS_URL: undefined, LNBITS_KEY: undefined };
  const result = await doctor(vars, { config: { vars: { TOLL: list } } });
  assert.ok(result.lines.includes('Wallet over Nostr Wallet Connect (NWC_URL from .dev.vars)'), result.stdout + result.stderr);
  assert.ok(!(result.stdout + result.stderr).includes(connection.secret));
  const found = Object.fromEntries(['reachable', 'key', 'invoice', 'record', 'price source'].map((check) => [check, result.findings[check]?.[0]]));
  return { ...result, found, level: Object.fromEntries(Object.entries(found).map(([check, finding]) => [check, finding?.level])) };
}

test('Doctor examines a wallet over Nostr Wallet Connect', async () => {
  const relay = await startRelay();
  const connection = newConnection(relay);
  const offline = await doctorWithNwc(connection);
  assert.equal(offline.level.reachable, 'FAIL', offline.stdout);
  assert.match(offline.found.reachable.sentence, /the wallet did not answer in time: is the wallet online/);

  const receiving = await startReceivingWallet(connection);
  const works = await doctorWithNwc(connection);
  assert.deepEqual(works.level, { reachable: 'OK', key: 'OK', invoice: 'OK', record: 'OK', 'price source': undefined }, works.stdout);
  const inEuros = await doctorWithNwc(connection, { routes: [{ path: '/sold', fiat: '0.01 EUR' }] });
  assert.equal(inEuros.level['price source'], 'WARN', inEuros.stdout);
  await receiving.stop();

  const forgetful = await startReceivingWallet(connection, { keepsMetadata: false });
  const dropped = await doctorWithNwc(connection);
  assert.deepEqual([dropped.level.record, dropped.code], ['WARN', 0], dropped.stdout);
  assert.match(dropped.found.record.sentence, /no route offers x-preimage/);
  await forgetful.stop();

  const stateless = await startReceivingWallet(connection, { reportsState: false });
  const listed = await doctorWithNwc(connection);
  assert.deepEqual([listed.findings.invoice.length, listed.level.invoice], [1, 'OK'], listed.stdout);
  await stateless.stop();
  const unlisted = await startReceivingWallet(connection, { reportsState: false, errors: { list_transactions: 'RESTRICTED' } });
  const unconfirmed = await doctorWithNwc(connection);
  assert.deepEqual([unconfirmed.findings.invoice[1]?.level, unconfirmed.code], ['FAIL', 1], unconfirmed.stdout);
  assert.match(unconfirmed.findings.invoice[1].sentence, /reports no state of a payment.*list_transactions.*503/);
  await unlisted.stop();

  const spending = await startNwcWallet(connection);
  const mayPay = await doctorWithNwc(connection);
  assert.deepEqual([mayPay.level.key, mayPay.code], ['FAIL', 1], mayPay.stdout);
  assert.match(mayPay.found.key.sentence, /may spend what you earn.*create a connection that may only receive/);
  await spending.stop();
  await relay.close();
});
