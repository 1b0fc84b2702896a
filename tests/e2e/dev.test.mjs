// Runs tools/dev.mjs (`make dev`) in a folder with a copy of wrangler.toml.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { copyFileSync, cpSync, existsSync, mkdirSync, readFileSync, realpathSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname, join, relative } from 'node:path';
import { after, before, test } from 'node:test';
import { pay, startLnbits } from '../../tools/lib/lnbits.mjs';
import { freePort, root } from '../../tools/lib/run.mjs';
import { startWrangler } from '../../tools/lib/worker.mjs';
import { buy, send } from './support/client.mjs';
import { lnbits, run, writeSecrets } from './support/paywall.mjs';

const template = readFileSync(join(root, 'wrangler.toml'), 'utf8')
  .replace('build/index.js', join(run.dir, 'build/index.js'))
  .replace('directory = "build/www"', `directory = "${join(run.dir, 'build/www')}"`)
  .replace(/^watch_dir = .*\n/m, '')
  .replace('limit = 10,', 'limit = 1000,');
let dev;
before(async () => (dev = await startDev()));

/** Starts `make dev` in a new folder. `ready` waits until it says that the paywall runs. */
async function startDev(ports = {}, folder = run.folder('project')) {
  const file = join(folder, 'wrangler.toml');
  const lnbits = join(folder, 'lnbits');
  writeFileSync(file, template);
  const PORT = ports.PORT ?? (await freePort());
  const env = { ...process.env, PORT, ORIGIN_PORT: await freePort(), LNBITS_PORT: await freePort(), LNBITS_DATA: lnbits, ...ports };
  const server = run.start('dev', process.execPath, [join(root, 'tools/dev.mjs'), folder], { env });
  const output = () => readFileSync(server.log, 'utf8');
  return {
    folder,
    server,
    output,
    url: `http://127.0.0.1:${PORT}`,
    ready: () => server.until(() => output().includes('Ctrl-C stops everything')),
    /** Saves the price list with a change, and waits for a text in what `make dev` prints afterwards. */
    save: async (change, printed) => {
      const length = output().length;
      writeFileSync(file, change(template));
      await server.until(() => printed.test(output().slice(length)));
      return output().slice(length);
    },
    payWith: (bolt11) => {
      const { url, payer } = JSON.parse(readFileSync(join(lnbits, 'wallets.json'), 'utf8'));
      return pay(url, payer, bolt11);
    },
  };
}

const priceOf = async (path) => (await send(dev.url, path, { method: 'HEAD' })).headers['x-toll-price-sats'];
const costs = (sats) => (text) => text.replace('sats = 5\n', `sats = ${sats}\n`);
const served = /Local server updated and ready/;

// U6 (CHANGELOG)
test('`make dev` serves a saved price list; if the list has a mistake, it prints the finding of `check` and serves the last good list', async () => {
  await dev.ready();
  assert.equal(await priceOf('/api/joke'), '5');
  const said = await dev.save(costs('"5"'), /not served/);
  assert.match(said, /wrangler\.toml:\d+:8: error: TOLL\.routes\[0\]\.sats is "5", but must be a whole number/);
  assert.equal(await priceOf('/api/joke'), '5');
  assert.match(await dev.save((text) => `${text}\nthis is not TOML`, /not served/), /wrangler\.toml:\d+:\d+: error: invalid TOML/);
  assert.equal(await priceOf('/api/joke'), '5');
  assert.match((await send(dev.url, '/')).text, /\/api\/joke +5 sats/);
  await dev.save(costs(7), served);
  assert.equal(await priceOf('/api/joke'), '7');
  // Wrangler may still send a request to the previous Worker.
  await dev.server.until(async () => /\/api\/joke +7 sats/.test((await send(dev.url, '/')).text), 10);
});

// U6 (CHANGELOG)
test('If Wrangler stops because of a saved file that `check` accepts, `make dev` serves the last good file again', async () => {
  await dev.ready();
  await dev.save((text) => costs(8)(text).replace(/^main = .*/m, 'main = "missing.js"'), /not served/);
  assert.equal(await priceOf('/api/joke'), '7');
});

// U6 (CHANGELOG)
test('While `make dev` runs, a change of .dev.vars is loaded, also while the price list has a mistake', async () => {
  await dev.ready();
  await dev.save(costs('"5"'), /not served/);
  const token = randomBytes(32).toString('hex');
  const file = join(dev.folder, '.dev.vars');
  const stats = () => send(dev.url, '/_toll/stats', { headers: { Authorization: `Bearer ${token}` } });
  assert.notEqual((await stats()).status, 200);
  writeFileSync(file, readFileSync(file, 'utf8').replace(/^ADMIN_TOKEN=.*/m, `ADMIN_TOKEN=${token}`));
  let status;
  await dev.server.until(async () => (status = (await stats()).status) === 200, 15);
  assert.equal(status, 200);
  assert.equal(await priceOf('/api/joke'), '7');
});

// U7 (CHANGELOG)
test('The settings of a deployment (routes, service bindings, secrets, a second wallet) do not change what `make dev` does', async () => {
  await dev.ready();
  await dev.save((text) => {
    const deployment = text
      .replace('# routes =', 'routes =')
      .replace(/# (LNBITS_URL|LNBITS_URL_2|PUBLIC_URL|ON_PAYMENT_URL|ORIGIN_URL) =/g, '$1 =')
      .replace('[build]', 'services = [{ binding = "ORIGIN", service = "shop" }]\n\n[secrets]\nrequired = ["TOLL_SECRET"]\n\n[build]');
    return costs(9)(deployment);
  }, served);
  const { challenge, standard: authorization } = await buy(dev.url, '/api/joke', { payWith: dev.payWith });
  assert.equal(challenge.amountSats, 9);
  const { status, json } = await send(dev.url, '/api/joke', { headers: { authorization } });
  assert.equal(status, 200);
  assert.equal(json().paidSats, 9);
  const token = readFileSync(join(dev.folder, '.dev.vars'), 'utf8').match(/^ADMIN_TOKEN=(.*)$/m)[1];
  const headers = { Origin: dev.url, 'Content-Type': 'application/x-www-form-urlencoded' };
  const login = await send(dev.url, '/_toll/login', { method: 'POST', headers, body: `token=${token}` });
  assert.equal(login.status, 303, 'a browser can log in to the dashboard');
});

// U20 (CHANGELOG)
test('In `make dev`, a route with a price in a currency is sold at the rate of the demo, and a path that the owner adds has content', async () => {
  await dev.ready();
  const routes = ['USD', 'EUR'].map((currency) => `\n[[vars.TOLL.routes]]\npath = "/in/${currency}"\nfiat = "0.30 ${currency}"\n`).join('');
  await dev.save((text) => text + routes, served);
  const { challenge, standard: authorization } = await buy(dev.url, '/in/USD', { payWith: dev.payWith });
  // One bitcoin costs 60,000 USD in demo/rates.mjs.
  assert.equal(challenge.amountSats, Math.ceil((0.3 / 60_000) * 100_000_000));
  const { status, json } = await send(dev.url, '/in/USD', { headers: { authorization } });
  assert.equal(status, 200);
  assert.equal(json().paidSats, challenge.amountSats);
  assert.equal((await send(dev.url, '/in/EUR')).status, 402);
});

// U6, U7 (CHANGELOG)
test('`wrangler dev` keeps the last good price list too, loads .dev.vars again, and does not redirect to the host of a route', async () => {
  const folder = run.folder('plain');
  cpSync(join(run.dir, 'build'), join(folder, 'build'), { recursive: true });
  const wranglerFile = template
    .replace('command = "make build"', `command = "bash ${root}tools/build.sh ${relative(root, folder)}"\nwatch_dir = ".dev.vars"`)
    .replace(join(run.dir, 'build/index.js'), 'build/index.js')
    .replace('# routes =', 'routes =');
  const save = (change) => writeFileSync(join(folder, 'wrangler.toml'), change(wranglerFile));
  save((text) => text);
  const secrets = { TOLL_SECRET: randomBytes(32).toString('hex'), LNBITS_URL: lnbits.url, LNBITS_KEY: lnbits.merchant.invoiceKey, ORIGIN_URL: lnbits.url };
  writeSecrets(folder, secrets);
  const { url, server } = await startWrangler(run, ['--port', '0'], { cwd: folder });
  const request = (path, headers) => send(url, path, { headers });
  const price = async () => (await send(url, '/api/joke', { method: 'HEAD' })).headers['x-toll-price-sats'];
  assert.equal((await request('/api/joke')).json().amountSats, 5);
  save(costs('"5"'));
  await server.until(() => /error: TOLL\.routes\[0\]\.sats.*not served/s.test(readFileSync(server.log, 'utf8')), 30);
  assert.equal(await price(), '5');
  save(costs(7));
  await server.until(async () => (await price()) === '7', 30);
  const token = randomBytes(32).toString('hex');
  writeSecrets(folder, { ...secrets, ADMIN_TOKEN: token });
  await server.until(async () => (await request('/_toll/stats', { Authorization: `Bearer ${token}` })).status === 200, 30);
  await server.stop();
});

test('`make dev` ends with one sentence if a port is in use or is not a number', async () => {
  const taken = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => taken.once('listening', resolve));
  const { port } = taken.address();
  for (const [ports, sentence] of [
    [{ LNBITS_PORT: port }, `edgetoll: port ${port} is in use: stop the program that uses it, or choose another port with make dev LNBITS_PORT=…\n`],
    [{ PORT: 'abc' }, 'edgetoll: PORT=abc is not a port: choose a number from 1024 to 65535\n'],
  ]) {
    const { server, output } = await startDev(ports);
    await server.ended();
    assert.equal(output(), sentence);
    assert.equal(server.child.exitCode, 1);
  }
  taken.close();
});

// U20 (CHANGELOG)
test('`make dev` ends with one sentence if Rust or Node is missing', async () => {
  const path = run.folder('path');
  const provide = (...names) => {
    for (const name of names) symlinkSync(execFileSync('bash', ['-c', `command -v ${name}`], { encoding: 'utf8' }).trim(), join(path, name));
  };
  const setUp = () => spawnSync(join(root, 'tools/setup.sh'), ['worker', 'lnbits'], { encoding: 'utf8', env: { ...process.env, PATH: path } });
  provide('env', 'bash', 'dirname', 'mkdir');
  assert.equal(setUp().stderr, 'edgetoll: rustup is missing: install Rust from https://rustup.rs\n');
  provide('rustup', 'cc');
  const { stderr, status } = setUp();
  assert.equal(stderr, 'edgetoll: Node is missing: install Node 20 or newer from https://nodejs.org\n');
  assert.equal(status, 1);
});

// U20 (CHANGELOG)
test('LNbits starts after the folder with edgetoll was moved, although the scripts of its virtual environment name the old folder', async () => {
  const venv = run.folder('moved');
  const installed = join(root, '.tools/lnbits');
  mkdirSync(join(venv, 'bin'));
  symlinkSync(join(installed, 'lib'), join(venv, 'lib'));
  copyFileSync(join(installed, 'pyvenv.cfg'), join(venv, 'pyvenv.cfg'));
  symlinkSync(realpathSync(join(installed, 'bin/python')), join(venv, 'bin/python'));
  const script = readFileSync(join(installed, 'bin/lnbits'), 'utf8').replace(/^#!.*/, '#!/folder/before/the/move/bin/python');
  writeFileSync(join(venv, 'bin/lnbits'), script, { mode: 0o755 });
  const { server } = await startLnbits(run, { dataDir: run.folder('lnbits'), venv: relative(join(root, '.tools'), venv) });
  await server.stop();
});

test('The commands below "Try it" in the README work as printed', async () => {
  await dev.ready();
  // demo/pay.mjs reads the wallet of `make dev` from the folder of the repository.
  for (const name of ['demo', 'tools']) symlinkSync(join(root, name), join(dev.folder, name));
  mkdirSync(join(dev.folder, '.tools/dev'), { recursive: true });
  symlinkSync(join(dev.folder, 'lnbits'), join(dev.folder, '.tools/dev/lnbits'));
  const { invoice } = (await send(dev.url, '/api/data')).json();
  const section = readFileSync(join(root, 'README.md'), 'utf8').split('\n## Try it\n')[1].split('\n## ')[0];
  const commands = section.match(/^ {4}[a-z].*$/gm).map((line) => line.trim().replaceAll('http://127.0.0.1:8787', dev.url).replace('lnbc...', invoice));
  assert.equal(commands.length, 5);
  const script = commands.join('\necho ---\n');
  const env = { ...process.env, PATH: `${dirname(process.execPath)}:${process.env.PATH}`, NODE_OPTIONS: '--preserve-symlinks --preserve-symlinks-main' };
  const { status, stdout, stderr } = spawnSync('bash', ['-e', '-c', script], { cwd: dev.folder, env, encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  const [price, , content, paid, stats] = stdout.split('---\n');
  assert.match(price, /^HTTP\/1\.1 402 .*[^]*www-authenticate: L402 /i);
  assert.match(content, /^HTTP\/1\.1 200 [^]*"joke"/);
  assert.equal(paid, 'paid\n');
  assert.equal(typeof JSON.parse(stats).totalRevenue, 'number');
});

// Runs last, because it stops `make dev`.
test('`make dev` removes the configuration that it has written when it ends', async () => {
  await dev.ready();
  assert.ok(existsSync(join(dev.folder, '.wrangler.dev.json')));
  await dev.server.stop();
  assert.ok(!existsSync(join(dev.folder, '.wrangler.dev.json')));
});

test('`make dev WALLET=nwc` sells with a wallet over Nostr Wallet Connect, and `make dev` goes back to LNbits', async () => {
  const nwc = await startDev({ WALLET: 'nwc', RELAY_PORT: await freePort() });
  await nwc.ready();
  const settings = () => readFileSync(join(nwc.folder, '.dev.vars'), 'utf8');
  assert.match(settings(), /^NWC_URL=nostr\+walletconnect:\/\/[0-9a-f]{64}\?relay=ws/m);
  assert.ok(!/^LNBITS_/m.test(settings()));
  const jokeFrom = async ({ url, payWith }) => {
    const { standard: Authorization } = await buy(url, '/api/joke', { payWith });
    return (await send(url, '/api/joke', { headers: { Authorization } })).status;
  };
  assert.equal(await jokeFrom(nwc), 200);
  await nwc.server.stop();
  const again = await startDev({}, nwc.folder);
  await again.ready();
  assert.ok(!/^NWC_URL/m.test(settings()));
  assert.match(settings(), /^LNBITS_KEY=/m);
  assert.equal(await jokeFrom(again), 200);
  await again.server.stop();
});
