// U15 (CHANGELOG): runs each origin that docs/origins.md shows, with the command that it shows, behind a paywall, and the check in the
// handler. Prints which origins were not run, because their runtime is not installed.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { freePort, root } from '../../tools/lib/run.mjs';
import { buy, send } from './support/client.mjs';
import { run, startPaywall } from './support/paywall.mjs';

const document = readFileSync(join(root, 'docs/origins.md'), 'utf8');
const examples = document.split(/^## /m).filter((section) => section.includes('\nRun it:\n')).map((section) => ({
  name: section.split('\n')[0],
  file: section.match(/^(?:\/\/|#) (origin\S+)$/m)[1],
  code: section.match(/```\w+\n(.*?)```/s)[1],
  command: section.match(/^Run it:\n\n {4}(.+)$/m)[1],
}));
// FastAPI is installed together with LNbits, which depends on it.
const interpreterOf = ({ name, command }) => (name === 'FastAPI' ? join(root, '.tools/lnbits/bin/python') : command.split(' ')[0]);
const isInstalled = (example) => !spawnSync(interpreterOf(example), ['--version']).error;
const [installed, missing] = [examples.filter(isInstalled), examples.filter((example) => !isInstalled(example))];
for (const { name, command } of missing) console.log(`not run: the documented origin for ${name}, because ${command.split(' ')[0]} is not installed`);
const token = randomBytes(32).toString('hex');

let paywall;
let port;
before(async () => {
  port = await freePort();
  paywall = await startPaywall({
    toll: {
      routes: [
        { path: '/sold', sats: 7 },
        { path: '/cheap', sats: 6 },
        { path: '/observed', sats: 7, mode: 'observe' },
        { path: '/tried', sats: 7, free_requests: 2, free_window: '1h' },
      ],
    },
    vars: { ORIGIN_URL: `http://127.0.0.1:${port}`, ORIGIN_TOKEN: token },
  });
});
after(() => paywall?.server.stop());

test('docs/origins.md shows origins for Node, Python, FastAPI, Go and PHP', () => {
  assert.deepEqual(examples.map(({ name }) => name), ['Node', 'Python', 'FastAPI', 'Go', 'PHP']);
});

// A3 (CHANGELOG): an origin that serves the content at an alias that edgetoll does not know.
test('The documented check in the handler refuses an alias that is free at edgetoll, and lets paid requests pass, and others only with its options', async (context) => {
  const dir = run.folder('paid');
  writeFileSync(join(dir, 'paid.mjs'), document.match(/```js\n(\/\/ paid\.mjs\n.*?)```/s)[1]);
  const { requirePaid } = await import(join(dir, 'paid.mjs'));
  let options;
  const server = createServer((request, response) => requirePaid(7, options)(request, response, () => response.end('the report'))).listen(port, '127.0.0.1');
  await once(server, 'listening');
  context.after(() => server.close());
  const unpaid = [
    ...[['/alias', 403], ['/sold', 402], ['/cheap', 402], ['/observed', 403], ['/tried', 403]],
    ...[['/observed', 403, { free: true }], ['/tried', 200, { free: true }], ['/observed', 200, { observed: true }]],
  ];
  for (const [path, status, more] of unpaid) {
    options = more;
    assert.equal((await send(paywall.url, path, { headers: { 'X-Toll-Status': 'paid', 'X-Toll-Amount-Sats': '9', 'X-Toll-Observed': '200' } })).status, status, path);
  }
  options = undefined;
  for (const [path, status] of [['/sold', 200], ['/cheap', 403]]) {
    const { standard } = await buy(paywall.url, path);
    assert.equal((await send(paywall.url, path, { headers: { authorization: standard } })).status, status, path);
  }
});

for (const example of installed) {
  const withPort = (text) => text.replaceAll('3000', String(port));
  const start = (ORIGIN_TOKEN) => {
    const dir = run.folder('origin');
    writeFileSync(join(dir, example.file), withPort(example.code));
    const args = withPort(example.command).split(' ').slice(1);
    return run.start('origin', interpreterOf(example), args, { cwd: dir, env: { ...process.env, ORIGIN_TOKEN } });
  };

  test(`The documented origin for ${example.name} refuses requests without the token, and sees who paid and how much`, async () => {
    const url = `http://127.0.0.1:${port}`;
    const server = start(token);
    await server.until(() => fetch(url).then(() => true, () => false));
    const claimed = { 'X-Toll-Status': 'paid', 'X-Toll-Amount-Sats': '7' };
    assert.equal((await send(url, '/sold', { headers: claimed })).status, 403);
    for (const wrong of ['', token.slice(1), `${token}0`, token.toUpperCase(), 'é'.repeat(64)]) {
      const headers = { ...claimed, 'X-Toll-Origin-Token': wrong };
      assert.equal((await send(url, '/sold', { headers })).status, 403, `token ${wrong}`);
    }

    const { standard, challenge } = await buy(paywall.url, '/sold');
    const forged = { 'X-Toll-Amount-Sats': '999', 'X-Toll-Origin-Token': 'forged' };
    const paid = await send(paywall.url, '/sold', { headers: { ...forged, authorization: standard } });
    assert.equal(paid.status, 200, paid.text);
    const { client, ...payment } = paid.json();
    assert.deepEqual(payment, { status: 'paid', amountSats: 7, paymentHash: challenge.paymentHash });
    assert.match(client, /^[0-9a-f]+$/);
    const open = (await send(paywall.url, '/free')).json();
    assert.equal(open.status, 'open');
    assert.equal(open.amountSats, 0);
    assert.ok(!open.paymentHash);
    await server.stop();
  });

  test(`The documented origin for ${example.name} serves nothing if ORIGIN_TOKEN is short`, async () => {
    const server = start('abcde');
    const ended = server.ended();
    const status = () => send(`http://127.0.0.1:${port}`, '/', { headers: { 'X-Toll-Origin-Token': 'abcde' } }).then(({ status }) => status, () => 'no connection');
    // The PHP server starts, but each request fails. The other servers do not start.
    await Promise.race([ended, server.until(async () => (await status()) === 500).catch(() => ended)]);
    assert.ok(['no connection', 500].includes(await status()));
    assert.match(server.tail(), /set ORIGIN_TOKEN to at least 32 random characters/);
    await server.stop();
  });
}
