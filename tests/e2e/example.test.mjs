import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { experimental_readRawConfig } from 'wrangler';
import { root } from '../../tools/lib/run.mjs';
import { buy, send } from './support/client.mjs';
import { startRecordingOrigin } from './support/origin.mjs';
import { run, startPaywall } from './support/paywall.mjs';

const example = join(root, 'examples/price-by-code');
const { build, main, assets, ...config } = experimental_readRawConfig({ config: join(example, 'wrangler.toml') }).rawConfig;
let origin;
before(async () => (origin = await startRecordingOrigin()));
after(() => origin.close());

const start = (toll = config.vars.TOLL) =>
  startPaywall({
    toll,
    vars: { ORIGIN_URL: origin.url, ADMIN_TOKEN: randomBytes(32).toString('hex') },
    config: { ...config, vars: { TOLL: toll }, main: join(example, main), assets: { ...assets, directory: join(run.dir, 'build/www') } },
  });

test('In a Worker that uses edgetoll as a library, challenges and credential checks use the prices that the code sets', async () => {
  const { url } = await start();
  for (const [text, sats] of [['one', 1], ['a+b+c', 3], ['', 1]]) {
    const { status, json } = await send(url, `/api/echo?text=${text}`);
    assert.equal(status, 402);
    assert.equal(json().amountSats, sats);
  }
  assert.equal((await send(url, '/api/echo?text=a%20b')).json().description, 'Echo of a b');
  const { standard: authorization } = await buy(url, '/api/echo?text=a+b');
  assert.equal((await send(url, '/api/echo?text=c+d', { headers: { authorization } })).status, 200);
  assert.equal((await send(url, '/api/echo?text=a+b+c', { headers: { authorization } })).json().code, 'underpaid');
  assert.equal((await send(url, '/api/echo?text=a&text=b')).json().code, 'ambiguous_query');
  assert.equal((await send(url, '/api/search')).status, 200);
  assert.equal(origin.last().headers['x-toll-status'], 'open');
  assert.equal((await send(url, '/free')).status, 200);
  // U16 (CHANGELOG)
  for (const path of ['/api/echo?text=a', '/_toll/']) {
    const { headers } = await send(url, path, { headers: { accept: 'text/html' } });
    assert.match(headers['content-type'], /^text\/html/, path);
  }
});

// U16 (CHANGELOG)
test('`check` finds nothing in the Wrangler file of the example, and its build command compiles the example', () => {
  const { stdout } = spawnSync('cargo', ['run', '--quiet', '--bin', 'edgetoll', '--', 'check', 'examples/price-by-code/wrangler.toml'], { cwd: root, encoding: 'utf8' });
  assert.match(stdout, /: 2 routes, no mistakes\n$/);
  assert.equal(join(example, assets.directory), join(root, 'build/www'));
  const { status, stderr } = spawnSync(build.command, { cwd: example, shell: true, encoding: 'utf8' });
  assert.equal(status, 0, stderr);
});

test('The free tier of a route also applies to a price that is set in code', async () => {
  const { url } = await start();
  const statuses = [];
  for (let at = 0; at < 3; at += 1) statuses.push((await send(url, '/api/search?limit=20')).status);
  assert.deepEqual(statuses, [200, 200, 402]);
});

test('If the code prices a path whose route has no price = "code" in the price list, every path except /_toll/health gets 503', async () => {
  const paywall = await start({ routes: [config.vars.TOLL.routes[0], { path: '/api/search', sats: 5 }] });
  for (const path of ['/api/echo', '/api/search', '/free']) {
    const { status, json } = await send(paywall.url, path);
    assert.equal(status, 503, path);
    assert.equal(json().code, 'not_configured');
  }
  assert.equal((await send(paywall.url, '/_toll/health')).status, 200);
  await paywall.logged(/the code prices \/api\/search/);
});
