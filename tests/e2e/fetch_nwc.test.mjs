// `edgetoll fetch` pays with Nostr Wallet Connect: a real relay, and the wallet service of Alby's SDK in front of LNbits.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { newUser, paidDuring } from './support/command.mjs';
import { newConnection, startNwcWallet, startRelay } from './support/nwc.mjs';
import { startRecordingOrigin } from './support/origin.mjs';
import { lnbits, startPaywall } from './support/paywall.mjs';

const toll = { routes: [{ path: '/joke', sats: 5 }, { path: '/other', sats: 4 }] };
let origin, paywall, relay, silent;
before(async () => {
  origin = await startRecordingOrigin({
    '/joke': (_, response) => response.writeHead(200, { 'Content-Type': 'text/plain' }).end('a joke'),
    '/other': (_, response) => response.writeHead(200, { 'Content-Type': 'text/plain' }).end('another'),
  });
  [paywall, relay] = await Promise.all([startPaywall({ toll, vars: { ORIGIN_URL: origin.url } }), startRelay()]);
  silent = await startSilent();
});
after(async () => {
  await relay.close();
  origin.close();
});

const url = (path) => paywall.url + path;
const requests = ({ clientKey }) => relay.events.filter(({ kind, pubkey }) => kind === 23194 && pubkey === clientKey);

/** Begins a payment with a wallet that does not answer. The command waits for a minute, so it runs during the other tests. */
async function startSilent() {
  const connection = newConnection(relay);
  await (await startNwcWallet(connection)).stop();
  const user = newUser({ nwc_url: connection.url });
  return { connection, user, first: user.start(['fetch', '-s', url('/joke')]) };
}

for (const [name, encryptions, expected] of [['NIP-44', 'nip04 nip44_v2', 'nip44_v2'], ['NIP-04', 'nip04', undefined], ['NIP-04, which is not announced', '', undefined]]) {
  test(`A first call pays over ${name}, and a second call uses the credential of the first`, async () => {
    const connection = newConnection(relay);
    const wallet = await startNwcWallet(connection, { encryptions });
    const user = newUser({ nwc_url: connection.url });
    const { paid, result } = await paidDuring(async () => [await user.fetch(url('/joke')), await user.fetch(url('/joke'))]);
    await wallet.stop();
    assert.deepEqual(paid, [5]);
    for (const { code, stdout, stderr } of result) assert.deepEqual([code, stdout], [0, 'a joke'], stderr);
    assert.match(result[0].stderr, /^edgetoll: paid 5 sats to 127\.0\.0\.1 \(payment hash [0-9a-f]{64}\)\n$/);
    assert.equal(result[1].stderr, '');
    assert.deepEqual(requests(connection).map(({ tags }) => tags.find(([tag]) => tag === 'encryption')?.[1]), [expected]);
  });
}

test('`edgetoll wallet` shows the relay, the key and the balance, and no secret', async () => {
  const connection = newConnection(relay);
  const wallet = await startNwcWallet(connection);
  const user = newUser({});
  const { code, stdout, stderr } = await user.start(['wallet'], { more: { EDGETOLL_NWC_URL: connection.url } }).ended;
  await wallet.stop();
  assert.equal(code, 0, stderr);
  assert.match(stdout, new RegExp(`^wallet {3}NWC wallet ${connection.walletKey} at 127\\.0\\.0\\.1\nbalance {2}\\d+ sats\n`));
  const { balance } = await (await fetch(`${lnbits.url}/api/v1/wallet`, { headers: { 'X-Api-Key': lnbits.payer.invoiceKey } })).json();
  // Another test may pay meanwhile.
  assert.ok(Math.abs(Number(stdout.match(/balance {2}(\d+)/)[1]) - balance / 1000) < 100, stdout);
  assert.ok(!stdout.includes(connection.secret));
});

test('An address that cannot be read is named without its secret, and nothing is paid', async () => {
  const { url: address, secret, walletKey } = newConnection(relay);
  const wrong = [address.replace(walletKey, 'x'), address.replace(/relay=[^&]*&/, ''), address.replace('secret', 'key'), 'https://nwc.example.com'];
  const { paid, result } = await paidDuring(async () => {
    const results = [];
    for (const text of wrong) results.push(await newUser({ nwc_url: text }).fetch(url('/joke')));
    return [...results, await newUser({ wallet: 'nwc' }).fetch(url('/joke'))];
  });
  assert.deepEqual(paid, []);
  for (const { code, stderr } of result) {
    assert.equal(code, 3);
    assert.match(stderr, /^edgetoll: [^\n]*(nostr\+walletconnect:\/\/|nwc_url)[^\n]*\n$/);
    assert.ok(!stderr.includes(secret));
  }
});

for (const [error, expected] of [['INSUFFICIENT_BALANCE', 7], ['PAYMENT_FAILED', 7], ['INTERNAL', 9], ['WORDS-OF-THE-WALLET', 9]]) {
  test(`A wallet that answers ${error} ends the command with code ${expected}, and its message is not shown`, async () => {
    const connection = newConnection(relay);
    const wallet = await startNwcWallet(connection, { error });
    const user = newUser({ nwc_url: connection.url });
    const { paid, result } = await paidDuring(() => user.fetch(url('/joke')));
    await wallet.stop();
    assert.deepEqual([paid, result.code], [[], expected], result.stderr);
    assert.match(result.stderr, /^edgetoll: [^\n]+\n$/);
    assert.ok(!/SECRET-OF-THE-WALLET|WORDS-OF-THE-WALLET/.test(result.stderr + readFileSync(user.journal, 'utf8')));
    if (expected === 7) assert.ok(result.stderr.includes(`the wallet did not pay: the wallet answered with ${error}`), result.stderr);
    assert.deepEqual((await user.payments()).map(({ state }) => state), [expected === 7 ? 'unpaid' : 'sent']);
  });
}

test('Without a relay, nothing is paid, and the next command pays once', async () => {
  const gone = await startRelay();
  const connection = newConnection(gone);
  await gone.close();
  const user = newUser({ nwc_url: connection.url });
  const { paid, result } = await paidDuring(async () => {
    const first = await user.fetch(url('/joke'));
    const again = await startRelay({ port: gone.port });
    const wallet = await startNwcWallet(connection);
    const second = await user.fetch(url('/joke'));
    await wallet.stop();
    await again.close();
    return [first, second];
  });
  assert.deepEqual(result.map(({ code }) => code), [7, 0], result[1].stderr);
  assert.match(result[0].stderr, /the wallet did not pay: the wallet cannot be reached/);
  assert.deepEqual(paid, [5]);
});

test('Killed after the wallet has paid: the next command looks the payment up and does not pay again', async () => {
  const connection = newConnection(relay);
  const holding = await startNwcWallet(connection, { holds: true });
  const user = newUser({ nwc_url: connection.url });
  const { paid, result } = await paidDuring(async () => {
    const first = user.start(['fetch', url('/joke')]);
    await holding.logged('edgetoll: paid: success');
    await first.kill();
    await holding.stop();
    const wallet = await startNwcWallet(connection);
    const second = await user.fetch(url('/joke'));
    await wallet.logged('edgetoll: looked up');
    await wallet.stop();
    return second;
  });
  assert.deepEqual([result.code, result.stdout], [0, 'a joke'], result.stderr);
  assert.deepEqual(paid, [5]);
});

test('The relay is lost after the wallet has paid: the next command looks the payment up and does not pay again', async () => {
  const lost = await startRelay();
  const connection = newConnection(lost);
  const holding = await startNwcWallet(connection, { holds: true });
  const user = newUser({ nwc_url: connection.url });
  const { paid, result } = await paidDuring(async () => {
    const first = user.start(['fetch', '-s', url('/other')]);
    await holding.logged('edgetoll: paid: success');
    await lost.close();
    await holding.stop();
    const again = await startRelay({ port: lost.port });
    const wallet = await startNwcWallet(connection);
    const results = [await first.ended, await user.fetch(url('/other'))];
    await wallet.stop();
    await again.close();
    return results;
  });
  // The paywall looks up its invoices, so it may serve the first command without a preimage.
  assert.ok([0, 9].includes(result[0].code), result[0].stderr);
  assert.deepEqual([result[1].code, result[1].stdout], [0, 'another'], result[1].stderr);
  assert.deepEqual(paid, [4]);
});

test('A wallet that does not answer ends the command with code 9, and the next command pays once when the wallet is back', async () => {
  const { connection, user, first } = silent;
  const { code, stderr } = await first.ended;
  assert.equal(code, 9, stderr);
  assert.match(stderr, /it is not known whether 5 sats were paid \(payment hash [0-9a-f]{64}\): the wallet cannot be reached/);
  const wallet = await startNwcWallet(connection);
  const { paid, result } = await paidDuring(async () => [await user.fetch(url('/joke')), await user.fetch(url('/joke'))]);
  await wallet.stop();
  for (const { code, stdout, stderr } of result) assert.deepEqual([code, stdout], [0, 'a joke'], stderr);
  assert.deepEqual(paid, [5]);
  assert.deepEqual((await user.payments()).map(({ state }) => state), ['paid']);
});
