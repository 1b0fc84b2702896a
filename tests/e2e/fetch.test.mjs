// The command `edgetoll fetch` pays the real Worker from a real LNbits wallet.
import assert from 'node:assert/strict';
import { chmodSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { newInvoice, newUser, paidDuring } from './support/command.mjs';
import { startRecordingOrigin } from './support/origin.mjs';
import { lnbits, startPaywall } from './support/paywall.mjs';

const toll = {
  routes: [
    { path: '/joke', sats: 5 },
    { path: '/joke-b', sats: 5 },
    { path: '/club/*', sats: 7, realm: 'club' },
    { path: '/club/dear', sats: 60, realm: 'club' },
    { path: '/mixed/*', sats: 50, realm: 'mixed' },
    { path: '/mixed/three', sats: 5, realm: 'mixed', uses: 30 },
    { path: '/mixed/service', sats: 4, realm: 'mixed', service: 'x' },
    { path: '/other/*', sats: 8, realm: 'other' },
    { path: '/twice', sats: 3, uses: 2 },
    { path: '/once', sats: 3, uses: 1 },
    { path: '/post', sats: 4, methods: ['POST'] },
    { path: '/per-kib', sats_per_kib: 2, methods: ['POST'] },
    { path: '/search', price: [{ when: { query: { hd: '1' } }, sats: 9 }, { sats: 2 }] },
    { path: '/expired', sats: 6 },
    { path: '/dear', sats: 500 },
    { path: '/failing', sats: 5 },
    { path: '/parallel', sats: 5 },
  ],
};
let origin, paywall;
before(async () => {
  origin = await startRecordingOrigin({
    '/joke': (_, response) => response.writeHead(200, { 'Content-Type': 'text/plain' }).end('a joke'),
    '/failing': (_, response) => response.writeHead(503).end('closed today'),
    '/unready': (_, response) => response.writeHead(503).end(),
  });
  paywall = await startPaywall({ toll, vars: { ORIGIN_URL: origin.url } });
});
after(() => origin.close());

const url = (path) => paywall.url + path;

test('A first call pays, and a second call uses the credential of the first', async () => {
  const user = newUser();
  const { paid, result } = await paidDuring(async () => [await user.fetch(url('/joke')), await user.fetch(url('/joke'))]);
  assert.deepEqual(paid, [5]);
  for (const { code, stdout } of result) assert.deepEqual([code, stdout], [0, 'a joke']);
  assert.match(result[0].stderr, /^edgetoll: paid 5 sats to 127\.0\.0\.1 \(payment hash [0-9a-f]{64}\)\n$/);
  assert.equal(result[1].stderr, '');
});

test('Without a configuration file, the wallet of the environment variables pays', async () => {
  const more = { EDGETOLL_LNBITS_URL: lnbits.url, EDGETOLL_LNBITS_ADMIN_KEY: lnbits.payer.adminKey };
  const { paid, result } = await paidDuring(() => newUser({}).start(['fetch', '--max-sats', '10', url('/joke')], { more }).ended);
  assert.deepEqual([paid, result.code, result.stdout], [[5], 0, 'a joke']);
});

test('The credential of a realm pays for another path', async () => {
  const user = newUser();
  const { paid } = await paidDuring(async () => {
    for (const path of ['/club/1', '/club/2', '/club/1?x=1']) assert.equal((await user.fetch(url(path))).code, 0);
  });
  assert.deepEqual(paid, [7]);
});

// R11 (CHANGELOG)
test('The credential of a path pays also with a slash at the end', async () => {
  const user = newUser();
  const { paid } = await paidDuring(async () => {
    for (const path of ['/joke-b', '/joke-b/', '/joke-b', '/twice/', '/twice']) assert.equal((await user.fetch(url(path))).code, 0);
  });
  assert.deepEqual(paid.sort(), [3, 5]);
});

// R11: the credential of the realm was sent, and the challenge for the path with the slash was paid.
test('The credential of a path pays with a slash at the end also after a purchase of a realm', async () => {
  const user = newUser();
  const { paid } = await paidDuring(async () => {
    for (const path of ['/joke-b', '/club/1', '/joke-b/', '/joke-b']) assert.equal((await user.fetch(url(path))).code, 0);
  });
  assert.deepEqual(paid.sort(), [5, 7]);
});

// R11: the Worker makes no invoice for HEAD, for prefetches and for previews of links. Its answer ended the credential.
test('A credential of a realm stays good after a HEAD request and a prefetch of another realm', async () => {
  const user = newUser();
  const { paid } = await paidDuring(async () => {
    assert.equal((await user.fetch(url('/club/1'))).code, 0);
    for (const options of [['-X', 'HEAD'], ['-H', 'Sec-Purpose: prefetch']]) await user.fetch(...options, url('/other/1'));
    assert.equal((await user.fetch(url('/club/2'))).code, 0);
  });
  assert.deepEqual(paid, [7]);
});

// R11 (CHANGELOG): the credential was given up after each request for the dearer page.
test('A credential of a realm stays good for its cheaper pages after a request for a dearer page', async () => {
  const user = newUser();
  const { paid } = await paidDuring(async () => {
    for (const path of ['/club/1', '/club/dear', '/club/2', '/club/dear']) {
      const { code } = await user.fetch('--max-sats', '20', url(path));
      assert.equal(code === 0, !path.endsWith('dear'), path);
    }
    for (const [path, price] of [['/club/1', 'nothing to pay\n'], ['/club/dear', '60 sats\n']]) assert.equal((await user.fetch('--dry-run', url(path))).stdout, price);
    for (const path of ['/club/dear', '/club/1', '/club/dear']) assert.equal((await user.fetch(url(path))).code, 0);
  });
  assert.deepEqual(paid.sort(), [60, 7]);
});

// R11 (CHANGELOG): the credential was given up after a request for each page of another kind that does not cost more.
test('A credential of a realm stays good after requests for pages of other realms, services and kinds', async () => {
  const user = newUser();
  const { paid } = await paidDuring(async () => {
    assert.equal((await user.fetch(url('/mixed/a'))).code, 0);
    for (const [path, price] of [['/mixed/b', 'nothing to pay\n'], ['/joke', '5 sats\n'], ['/other/a', '8 sats\n'], ['/mixed/three', '5 sats\n'], ['/mixed/service', '4 sats\n']]) {
      assert.equal((await user.fetch('--dry-run', url(path))).stdout, price, path);
    }
    for (const path of ['/joke', '/mixed/a', '/other/a', '/mixed/three', '/mixed/b', '/mixed/service', '/other/b', '/joke', '/mixed/a', '/mixed/three', '/mixed/service', '/mixed/b']) {
      assert.equal((await user.fetch(url(path))).code, 0, path);
    }
  });
  assert.deepEqual(paid.sort(), [4, 5, 5, 50, 8]);
});

// R11 (CHANGELOG): two of the processes took the payment of the third one for their own, and failed.
test('Of several processes at once, each pays for its own use', async () => {
  const user = newUser();
  const { paid, result } = await paidDuring(() => Promise.all(Array.from({ length: 3 }, () => user.fetch('-i', url('/once')))));
  for (const { stdout } of result) assert.match(stdout, /^HTTP\/1\.1 200 /);
  assert.deepEqual(paid, [3, 3, 3]);
});

test('A dry run says nothing about the price if the server refuses to make a challenge', async () => {
  const user = newUser();
  const { code, stdout, stderr } = await user.fetch('--dry-run', url('/unready'));
  assert.deepEqual([code, stdout], [4, '']);
  assert.match(stderr, /the price is not known: the server answered with status 503/);
});

test('A credential for two uses is paid again for the third request', async () => {
  const user = newUser();
  const { paid } = await paidDuring(async () => {
    for (const _ of [1, 2, 3]) assert.equal((await user.fetch(url('/twice'))).code, 0);
  });
  assert.deepEqual(paid, [3, 3]);
});

test('The body of a POST is sent again after the payment, and its length is paid for', async () => {
  const user = newUser();
  const body = 'x'.repeat(3000);
  const { paid, result } = await paidDuring(async () => [
    await user.fetch('-d', 'hello', url('/post')),
    await user.start(['fetch', '-d', '@-', url('/per-kib')], { input: body }).ended,
  ]);
  assert.deepEqual(paid.sort(), [4, 6]);
  assert.deepEqual(result.map(({ stdout }) => stdout), ['hello', body]);
});

test('A price that depends on the query is paid', async () => {
  const user = newUser();
  const { paid } = await paidDuring(async () => {
    for (const query of ['', '?hd=1']) assert.equal((await user.fetch(url(`/search${query}`))).code, 0);
  });
  assert.deepEqual(paid.sort(), [2, 9]);
});

test('An expired credential is not sent, and the next call pays again', async () => {
  const user = newUser();
  const { paid } = await paidDuring(async () => {
    assert.equal((await user.fetch(url('/expired'))).code, 0);
    writeFileSync(user.journal, readFileSync(user.journal, 'utf8').replace(/"until_unix":\d+/g, '"until_unix":1'));
    assert.equal((await user.fetch(url('/expired'))).code, 0);
  });
  assert.deepEqual(paid, [6, 6]);
});

test('A credential that the server has revoked is sent once, and then the next call pays again', async () => {
  const user = newUser();
  const { port } = new URL(paywall.url);
  const { paid } = await paidDuring(async () => {
    assert.equal((await user.fetch(url('/joke'))).code, 0);
    await paywall.server.stop();
    // Another TOLL_SECRET revokes all credentials.
    paywall = await startPaywall({ toll, vars: { ORIGIN_URL: origin.url }, port: Number(port) });
    assert.equal((await user.fetch(url('/joke'))).code, 0);
    assert.equal((await user.fetch(url('/joke'))).code, 0);
  });
  assert.deepEqual(paid, [5, 5]);
});

test('With --dry-run, the price is shown and nothing is paid', async () => {
  const user = newUser();
  const { paid, result } = await paidDuring(async () => [
    await user.fetch('--dry-run', url('/dear')),
    await user.fetch('--dry-run', '--json', url('/joke')),
    await user.fetch('--dry-run', url('/free')),
  ]);
  assert.deepEqual(paid, []);
  assert.equal(result[0].stdout, '500 sats\n');
  assert.equal(JSON.parse(result[1].stdout).amount_sats, 5);
  assert.equal(result[2].stdout, 'nothing to pay\n');
});

test('A price over the limit is not paid, and the exit code tells why', async () => {
  const user = newUser();
  const { paid, result } = await paidDuring(async () => [
    await user.fetch(url('/dear')),
    await user.fetch('--max-sats', '4', url('/joke-b')),
    await user.fetch('--pay-only-to', 'api.example.com', url('/joke-b')),
    await newUser({}).fetch(url('/joke-b')),
    await user.fetch('http://127.0.0.1:1/'),
    await newUser({ unknown_key: 1 }).fetch(url('/joke-b')),
    await newUser({ lnbits_url: 'http://lnbits.example.com', lnbits_admin_key: 'a' }).fetch(url('/joke-b')),
  ]);
  assert.deepEqual(paid, []);
  assert.deepEqual(result.map(({ code }) => code), [5, 5, 6, 7, 4, 3, 3]);
  for (const { stderr } of result) assert.match(stderr, /^edgetoll: [^\n]+\n$/);
});

test('The budgets of a day hold over several commands', async () => {
  const settings = { lnbits_url: lnbits.url, lnbits_admin_key: lnbits.payer.adminKey };
  const user = newUser({ ...settings, budget_sats: 10 });
  const { paid, result } = await paidDuring(async () => {
    const codes = [];
    for (const path of ['/joke', '/joke-b', '/club/1']) codes.push((await user.fetch(url(path))).code);
    return codes;
  });
  assert.deepEqual(paid, [5, 5]);
  assert.deepEqual(result, [0, 0, 5]);
});

test('Eight commands at once for one path pay once', async () => {
  const user = newUser();
  const { paid, result } = await paidDuring(() => Promise.all(Array.from({ length: 8 }, () => user.fetch(url('/parallel')))));
  assert.deepEqual(result.map(({ code }) => code), Array(8).fill(0));
  assert.deepEqual(paid, [5]);
});

test('A response with an error of the origin is printed, and its credential can be used again', async () => {
  const user = newUser();
  const { paid, result } = await paidDuring(async () => [await user.fetch(url('/failing')), await user.fetch('--fail', url('/failing'))]);
  assert.deepEqual(paid, [5]);
  assert.deepEqual(result.map(({ code, stdout }) => [code, stdout]), [[0, 'closed today'], [22, 'closed today']]);
});

test('-i, -o, -H, -X and --json work as their help says', async () => {
  const user = newUser();
  const file = join(user.home, 'joke.txt');
  const included = await user.fetch('-i', '-s', url('/joke'));
  assert.match(included.stdout, /^HTTP\/1\.1 200 OK\r\n([^]*\r\n)?x-toll-expires: \d+\r\n([^]*\r\n)?\r\na joke$/i);
  assert.equal((await user.fetch('-o', file, url('/joke'))).stdout, '');
  assert.equal(readFileSync(file, 'utf8'), 'a joke');
  const json = JSON.parse((await user.fetch('--json', url('/joke'))).stdout);
  assert.deepEqual([json.status, json.body, json.payment.amount_sats, json.payment.paid_now], [200, 'a joke', 5, false]);
  await user.fetch('-X', 'PUT', '-H', 'X-Test: yes', url('/free'));
  assert.deepEqual([origin.last().method, origin.last().headers['x-test']], ['PUT', 'yes']);
});

test('The journal is readable only by its owner, and no command prints a preimage without --show-secrets', async () => {
  const user = newUser();
  await user.fetch(url('/joke'));
  assert.equal(statSync(user.journal).mode & 0o777, 0o600);
  chmodSync(user.journal, 0o644);
  await user.command('payments');
  assert.equal(statSync(user.journal).mode & 0o777, 0o600);
  const { preimage, macaroon } = JSON.parse(readFileSync(user.journal, 'utf8').trim().split('\n').at(-1));
  const printed = [await user.command('payments'), await user.command('payments', '--json'), await user.command('credentials'), await user.command('wallet')];
  for (const { code, stdout, stderr } of printed) {
    assert.equal(code, 0, stderr);
    for (const secret of [preimage, macaroon, lnbits.payer.adminKey]) assert.ok(!(stdout + stderr).includes(secret));
  }
  assert.match(printed[0].stdout, /5 sats {2}paid; can be used again {2}GET http/);
  assert.match(printed[3].stdout, /balance {2}\d+ sats/);
  assert.ok((await user.command('credentials', '--show-secrets')).stdout.includes(`Authorization: L402 ${macaroon}:${preimage}`));
});

test('A journal with an unreadable line stops the command before it pays', async () => {
  const user = newUser();
  await user.fetch(url('/joke'));
  writeFileSync(user.journal, `garbage\n${readFileSync(user.journal, 'utf8')}`);
  const { paid, result } = await paidDuring(() => user.fetch(url('/joke-b')));
  assert.deepEqual([paid, result.code], [[], 3]);
});

test('`edgetoll stats` shows the revenue, the routes and the newest payments', async () => {
  const user = newUser();
  const token = (await user.command('secret')).stdout.trim();
  const other = await startPaywall({ toll, vars: { ORIGIN_URL: origin.url, ADMIN_TOKEN: token } });
  await user.fetch(`${other.url}/joke`);
  const stats = (...args) => user.start(['stats', other.url, ...args], { more: { ADMIN_TOKEN: token } }).ended;
  // The ledger records the payment after the response.
  let shown;
  await other.server.until(async () => /^5 sats from 1 payments/.test((shown = await stats()).stdout), 20).catch((error) => assert.fail(`${shown.stdout}${shown.stderr}${error}`));
  assert.match(shown.stdout, /^ +5 +1 +1 +0 +1 +0 {2}\/joke$/m);
  assert.match(shown.stdout, /^\d{4}-\d\d-\d\dT\S+Z +5 sats {2}\/joke {2}[0-9a-f]{64}$/m);
  assert.equal(JSON.parse((await stats('--json')).stdout).totalRevenue, 5);
  assert.equal((await user.start(['stats', other.url], { more: { ADMIN_TOKEN: 'wrong' } }).ended).code, 3);
  const plain = await user.start(['stats', 'http://api.example.com'], { more: { ADMIN_TOKEN: token } }).ended;
  assert.equal(plain.code, 3);
  assert.match(plain.stderr, /must begin with https/);
});

test('`edgetoll macaroon` mints, narrows, shows and verifies; `invoice decode` reads an invoice', async () => {
  const user = newUser();
  const newSecret = async () => (await user.command('secret')).stdout.trim();
  const secret = await newSecret();
  const macaroon = (...args) => user.start(['macaroon', ...args], { more: { TOLL_SECRET: secret } }).ended;
  const minted = (await macaroon('mint', 'ab'.repeat(32), '--caveat', 'endpoint=/joke')).stdout.trim();
  const narrowed = (await macaroon('attenuate', minted, '--caveat', 'method=GET')).stdout.trim();
  const shown = JSON.parse((await macaroon('inspect', `L402 ${narrowed}:${'00'.repeat(32)}`)).stdout);
  assert.deepEqual(shown, { encoding: 'libmacaroons v2', payment_hash: 'ab'.repeat(32), caveats: ['endpoint=/joke', 'method=GET'] });
  assert.equal((await macaroon('verify', narrowed)).code, 0);
  assert.equal((await user.start(['macaroon', 'verify', narrowed], { more: { TOLL_SECRET: await newSecret() } }).ended).code, 1);
  const { bolt11, payment_hash: hash } = await newInvoice(7);
  const decoded = JSON.parse((await user.command('invoice', 'decode', `LIGHTNING:${bolt11}`)).stdout);
  assert.deepEqual([decoded.network, decoded.amount_msat, decoded.payment_hash], ['bc', 7000, hash]);
  for (const args of [['completions', 'bash'], ['man'], ['--help']]) assert.match((await user.command(...args)).stdout, /fetch/);
});
