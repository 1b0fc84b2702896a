// `edgetoll deploy`, with a stand-in for Wrangler and for Cloudflare's API, and with the real Worker as the deployment. What only
// Cloudflare can show is not tested: the real deployment, workers.dev, and preview URLs.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { send } from './support/client.mjs';
import { invoicesFor, lnbits, run, settings, startPaywall, writeConfig } from './support/paywall.mjs';
import { startRecordingOrigin } from './support/origin.mjs';
import { installWrangler } from './support/recorded_wrangler.mjs';

const toll = { routes: [{ path: '/sold/*', sats: 5 }] };
const routes = [{ pattern: 'api.example.com/*', zone_name: 'example.com' }];
const ALL = ['LNBITS_KEY', 'TOLL_SECRET'];
let origin, paywall;
before(async () => {
  origin = await startRecordingOrigin({});
  paywall = await startPaywall({ toll, vars: { ORIGIN_URL: origin.url } });
});
after(() => origin.close());

/** Runs `edgetoll deploy` in a new folder. */
async function deploy(args = [], { secrets = ALL, vars = {}, config = {}, devVars = `LNBITS_KEY=${lnbits.merchant.invoiceKey}\n`, env = {}, list = toll, files = {}, canList, canDeploy } = {}) {
  const cwd = run.folder('deploy');
  const { kv_namespaces, durable_objects, ratelimits, assets, migrations, triggers } = settings();
  const all = { TOLL: list, LNBITS_URL: lnbits.url, PUBLIC_URL: paywall.url, ...vars };
  writeConfig(cwd, { name: 'paid', main: 'index.js', build: { command: 'npx edgetoll check --build' }, kv_namespaces, durable_objects, ratelimits, assets, migrations, triggers, routes, workers_dev: false, vars: all, ...config });
  writeFileSync(join(cwd, '.dev.vars'), devVars);
  for (const [name, text] of Object.entries(files)) writeFileSync(join(cwd, name), text);
  const calls = installWrangler(cwd, { secrets, canList, canDeploy });
  const { PATH, HOME } = process.env;
  const { code, stdout, stderr } = await new Promise((resolve) => {
    const child = execFile(join(run.dir, 'edgetoll'), ['deploy', ...args], { cwd, env: { PATH, HOME, ...env } }, (error, stdout, stderr) => resolve({ code: error ? error.code : 0, stdout, stderr }));
    child.stdin.end();
  });
  for (const secret of [lnbits.merchant.invoiceKey, ...calls().map(({ input }) => input).filter(Boolean)]) {
    assert.ok(!(stdout + stderr).includes(secret), 'a secret is printed');
  }
  const findings = stdout.split('\n').map((line) => line.match(/^(OK|WARN|FAIL|SKIP) {2,4}(\S+(?: \S+)?) {2,}(.*)$/)).filter(Boolean);
  /** Returns the findings of a check, each with its level. */
  const of = (check) => findings.filter(([, , name]) => name === check).map(([, level, , sentence]) => `${level} ${sentence}`);
  const commands = calls().map(({ args }) => args.join(' ').replace(/ --config .*/, ''));
  return { code, stdout, stderr, of, calls: calls(), commands };
}

test('With all secrets, the Worker is deployed and tried from outside', async () => {
  const before = await invoicesFor('/sold/*');
  const { code, stdout, of, commands } = await deploy();
  assert.equal(code, 0, stdout);
  assert.deepEqual(commands, ['secret list --format json', 'deploy']);
  assert.deepEqual(of('secrets'), ['OK Cloudflare has all secrets that the price list needs']);
  assert.match(of('public URL')[0], /^OK .*the Worker answers in \d+ ms and can sell/);
  assert.match(of('challenge')[0], /^OK \/sold\/\S* gets 402 with an invoice/);
  assert.match(of('fail closed')[0], /^SKIP not checked/);
  assert.equal(await invoicesFor('/sold/*'), before + 1);
  assert.match(stdout, /\n0 FAIL, \d+ WARN\n$/);
});

test('A dry run changes nothing: it sends no request to a wallet, and deploys nothing', async () => {
  const invoices = async () => (await invoicesFor('/sold/*')) + (await invoicesFor('edgetoll doctor'));
  const before = await invoices();
  const { code, stdout, of, commands } = await deploy(['--dry-run'], { secrets: ['LNBITS_KEY'] });
  assert.equal(code, 0, stdout);
  assert.deepEqual(commands, ['secret list --format json', 'deploy --dry-run']);
  assert.deepEqual(of('secrets'), ['WARN TOLL_SECRET is missing on Cloudflare: it would be set to a new random value']);
  assert.deepEqual(of('deployed'), ['SKIP not deployed, because this is a dry run']);
  assert.match(of('public URL')[0], /^SKIP after the deployment, http:\S+ would be tried/);
  assert.equal(await invoices(), before);
});

test('With errors in the price list, nothing is deployed', async () => {
  const { code, stdout, commands } = await deploy([], { list: { routes: [{ path: '/sold', sats: 5, free_reqests: 3 }] } });
  assert.equal(code, 1);
  assert.match(stdout, /error: TOLL\.routes\[0\]\.free_reqests is not a key.*\n(.*\n)*.*Stopped: nothing was deployed/);
  assert.deepEqual(commands, []);
});

test('A missing secret stops the deployment, and is named with its command', async () => {
  const { code, stdout, of, commands } = await deploy(['--env', 'staging'], {
    secrets: ['TOLL_SECRET'],
    devVars: '',
    config: { env: { staging: { ...environment(), vars: { TOLL: toll, LNBITS_URL: lnbits.url } } } },
  });
  assert.equal(code, 1, stdout);
  assert.deepEqual(of('secrets'), ['FAIL LNBITS_KEY is missing on Cloudflare: set it with `npx wrangler secret put LNBITS_KEY --env staging`']);
  assert.deepEqual(commands, ['secret list --format json']);
});

test('With --set-secrets, missing secrets are set: a new TOLL_SECRET, and the others from this machine', async () => {
  const local = randomBytes(32).toString('hex');
  const adminToken = randomBytes(32).toString('hex');
  const devVars = `TOLL_SECRET=${local}\nADMIN_TOKEN=${adminToken}\nLNBITS_KEY=${lnbits.merchant.invoiceKey}\n`;
  const { code, stdout, calls, commands } = await deploy(['--set-secrets'], { secrets: null, devVars });
  assert.equal(code, 0, stdout);
  assert.deepEqual(commands, ['secret list --format json', 'secret put TOLL_SECRET', 'secret put LNBITS_KEY', 'secret put ADMIN_TOKEN', 'deploy']);
  const inputs = Object.fromEntries(calls.filter(({ args }) => args[1] === 'put').map(({ args, input }) => [args[2], input]));
  assert.match(inputs.TOLL_SECRET, /^[0-9a-f]{64}$/);
  assert.notEqual(inputs.TOLL_SECRET, local, 'the secret of this machine is not deployed');
  assert.equal(inputs.LNBITS_KEY, lnbits.merchant.invoiceKey);
  assert.equal(inputs.ADMIN_TOKEN, adminToken);
});

test('If Cloudflare does not list the secrets of a Worker, none is replaced and nothing is deployed', async () => {
  const { code, stderr, of, commands } = await deploy(['--set-secrets'], { canList: false });
  assert.equal(code, 1);
  assert.deepEqual(commands, ['secret list --format json']);
  assert.match(of('secrets')[0], /^FAIL Cloudflare does not list the secrets/);
  assert.match(stderr, /Internal error \[code: 10013\]/, 'the message of Wrangler is shown');
});

test('The secrets of another environment are not deployed', async () => {
  const [token, other] = [randomBytes(32).toString('hex'), randomBytes(32).toString('hex')];
  const { code, stdout, of, calls } = await deploy(['--set-secrets', '--env', 'staging'], {
    secrets: ['TOLL_SECRET'],
    devVars: `ADMIN_TOKEN=${other}\nLNBITS_KEY=${other}\nORIGIN_TOKEN=${other}\n`,
    files: { '.dev.vars.staging': `ADMIN_TOKEN=${token}\nLNBITS_KEY=${lnbits.merchant.invoiceKey}\n` },
    config: { env: { staging: { ...environment(), vars: { TOLL: toll, LNBITS_URL: lnbits.url, PUBLIC_URL: paywall.url } } } },
  });
  assert.equal(code, 0, stdout);
  const inputs = calls.filter(({ args }) => args[1] === 'put').map(({ args, input }) => [args[2], input]);
  assert.deepEqual(inputs, [['LNBITS_KEY', lnbits.merchant.invoiceKey], ['ADMIN_TOKEN', token]]);
  assert.deepEqual(of('secrets'), ['OK LNBITS_KEY is set to its value in .dev.vars.staging', 'OK ADMIN_TOKEN is set to its value in .dev.vars.staging']);
});

test('The doctor does not send the key of an LNbits on this machine to another LNbits', async () => {
  const devVars = `export LNBITS_URL = http://127.0.0.1:5000\nexport LNBITS_KEY=${lnbits.merchant.adminKey}\n`;
  const { of } = await deploy([], { devVars });
  assert.deepEqual(of('key'), []);
  assert.match(of('reachable').join(), /WARN the wallets are not tested: LNBITS_KEY is missing/);
});

test('The key of an LNbits that only this machine uses is not deployed', async () => {
  const devVars = `LNBITS_URL=http://127.0.0.1:5000\nLNBITS_KEY=${lnbits.merchant.invoiceKey}\n`;
  const { code, of, commands } = await deploy(['--set-secrets'], { secrets: ['TOLL_SECRET'], devVars });
  assert.equal(code, 1);
  assert.match(of('secrets')[0], /^FAIL LNBITS_KEY is missing on Cloudflare: set it with/);
  assert.deepEqual(commands, ['secret list --format json']);
});

test('A failure of the doctor stops the deployment', async () => {
  const { code, stdout, of, commands } = await deploy([], { devVars: `LNBITS_KEY=${lnbits.merchant.adminKey}\n` });
  assert.equal(code, 1);
  assert.match(of('key')[0], /^FAIL/);
  assert.match(stdout, /Stopped: nothing was deployed/);
  assert.deepEqual(commands, ['secret list --format json']);
});

test('If Wrangler fails, the deployment is not tried', async () => {
  for (const args of [[], ['--dry-run']]) {
    const { code, of } = await deploy(args, { canDeploy: false });
    assert.equal(code, 1);
    assert.match(of('deployed')[0], /^FAIL/);
    assert.deepEqual(of('challenge'), []);
  }
});

test('A deployment that serves a priced path, or answers with another price or header, is reported', async () => {
  const answers = { '/_toll/health': async () => ({ status: 200, body: '{"status":"ok","configured":true}' }) };
  const unpaid = await startServer({ ...answers, '*': async () => ({ status: 200, body: 'content' }) });
  const rewritten = await startServer({
    ...answers,
    '*': async ({ url }) => {
      const { headers, text } = await send(paywall.url, url);
      return { status: 402, headers: { 'www-authenticate': headers['www-authenticate'].replace('macaroon="', 'token="') }, body: text };
    },
  });
  try {
    const served = await deploy([], { vars: { PUBLIC_URL: unpaid.url } });
    assert.match(served.of('challenge')[0], /^FAIL \S+ is served without payment/);
    assert.equal(served.code, 1);
    const older = await deploy([], { list: { routes: [{ path: '/sold/*', sats: 6 }] } });
    assert.match(older.of('challenge')[0], /^FAIL \S+ gets 402, but the invoice has another amount than the price list/);
    const changed = await deploy([], { vars: { PUBLIC_URL: rewritten.url } });
    assert.match(changed.of('challenge')[0], /^FAIL \S+ gets 402, but WWW-Authenticate has no macaroon/);
  } finally {
    await Promise.all([unpaid.close(), rewritten.close()]);
  }
});

test('With an API token, routes that fail open are reported', async () => {
  const answers = (isOpen) => ({
    '/zones?name=example.com': async () => ({ status: 200, body: '{"result":[{"id":"z1"}]}' }),
    '/zones/z1/workers/routes': async () => ({
      status: 200,
      body: JSON.stringify({ result: [{ pattern: 'api.example.com/*', script: 'paid', request_limit_fail_open: isOpen }] }),
    }),
  });
  for (const [isOpen, level] of [[true, 'FAIL'], [false, 'OK']]) {
    const api = await startServer(answers(isOpen));
    const { of, code } = await deploy([], { env: { CLOUDFLARE_API_TOKEN: 'token', CLOUDFLARE_API_BASE_URL: api.url } });
    await api.close();
    assert.match(of('fail closed')[0], new RegExp(`^${level} `));
    assert.equal(code, isOpen ? 1 : 0);
    assert.deepEqual(api.requests.map(({ headers }) => headers.authorization), ['Bearer token', 'Bearer token']);
  }
});

test('Addresses at workers.dev and preview URLs are reported', async () => {
  const { of } = await deploy(['--dry-run'], { config: { workers_dev: true } });
  assert.match(of('bypass').join('\n'), /^WARN .*workers_dev = false\nWARN .*preview_urls = false$/);
  const closed = await deploy(['--dry-run']);
  assert.deepEqual(closed.of('bypass'), ['OK the Worker has no address at workers.dev, and versions have no preview URLs']);
});

/** Returns the bindings of an environment, which inherits none. */
function environment() {
  const { kv_namespaces, durable_objects, ratelimits } = settings();
  return { kv_namespaces, durable_objects, ratelimits };
}

/** Starts a server. `answers` maps a URL, or `*` for all others, to a handler. */
async function startServer(answers) {
  const requests = [];
  const server = createServer(async (request, response) => {
    requests.push(request);
    const { status, headers, body } = await (answers[request.url] ?? answers['*'])(request);
    response.writeHead(status, headers).end(body);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const close = () => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  };
  return { url: `http://127.0.0.1:${server.address().port}`, requests, close };
}
