// The headers that can carry a credential, and which of them reach the origin.
import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { after, before, test } from 'node:test';
import { attenuate, buy, send, sendRaw, tamper } from './support/client.mjs';
import { startRecordingOrigin } from './support/origin.mjs';
import { startPaywall } from './support/paywall.mjs';
import { startBareWorker } from './support/workerd.mjs';

const toll = { routes: [{ path: '/sold', sats: 5 }] };
let origin, paywall, bought, hex;
before(async () => {
  origin = await startRecordingOrigin();
  paywall = await startPaywall({ toll, vars: { ORIGIN_URL: origin.url } });
  bought = await buy(paywall.url, '/sold');
  hex = (macaroon) => Buffer.from(macaroon, 'base64').toString('hex');
});
after(() => origin.close());

const sold = (headers) => send(paywall.url, '/sold', { headers });

// I4 (CHANGELOG): pyl402 0.1.2 sends this when it reuses a credential.
test('A doubled scheme in Authorization is read as one', async () => {
  const [, credential] = bought.standard.split(' ');
  for (const scheme of ['L402 L402', 'LSAT LSAT', 'l402 L402', 'LSAT L402']) {
    assert.equal((await sold({ authorization: `${scheme} ${credential}` })).status, 200, scheme);
    assert.equal(origin.last().headers.authorization, undefined);
  }
  assert.equal((await sold({ authorization: `L402 L402 L402 ${credential}` })).status, 401);
});

// I5 (CHANGELOG): l402kit 1.10.1 reads its budget from this key.
test('The body of a challenge has the price as priceSats and amount_sats too', async () => {
  const { amountSats, priceSats, amount_sats } = (await sold({})).json();
  assert.deepEqual([amountSats, priceSats, amount_sats], [5, 5, 5]);
});

// I8 (CHANGELOG): Aperture accepts these headers (docs/metering.md in its repository).
test('A macaroon with its preimage in a caveat is accepted in the headers Macaroon and Grpc-Metadata-Macaroon, and not forwarded', async () => {
  const macaroon = hex(attenuate(bought.macaroons.standard, `preimage=${bought.preimage}`));
  for (const name of ['macaroon', 'grpc-metadata-macaroon']) {
    const base64 = Buffer.from(macaroon, 'hex').toString('base64');
    for (const value of [macaroon, macaroon.toUpperCase(), `0x${macaroon}`, `0201036c6e64, ${macaroon}`, `${macaroon},${macaroon}`, base64]) {
      const { status, headers } = await sold({ [name]: value });
      assert.equal(status, 200, name);
      assert.match(headers.vary, /X-Toll-Authorization, Macaroon, Grpc-Metadata-Macaroon/);
      assert.equal(origin.last().headers[name], undefined);
      assert.equal(origin.last().headers['x-toll-status'], 'paid');
    }
    const wrong = hex(attenuate(bought.macaroons.standard, `preimage=${'1'.repeat(64)}`));
    assert.deepEqual([(await sold({ [name]: wrong })).status, (await sold({ [name]: wrong })).json().code], [401, 'wrong_preimage']);
    await send(paywall.url, '/free', { headers: { [name]: macaroon } });
    assert.equal(origin.last().headers[name], undefined, 'a credential is not forwarded on a free path either');
  }
  const narrowed = hex(attenuate(attenuate(bought.macaroons.standard, 'endpoint=/other'), `preimage=${bought.preimage}`));
  assert.equal((await sold({ macaroon: narrowed })).json().code, 'endpoint_mismatch');
});

// I8 (CHANGELOG)
test('A credential in a macaroon header does not reach the origin, in any spelling of the header and with any text around the credential', async () => {
  const macaroon = hex(attenuate(bought.macaroons.standard, `preimage=${bought.preimage}`));
  const values = [
    macaroon, `"${macaroon}"`, `0X${macaroon}`, `${macaroon};x`, `${macaroon} ${macaroon}`, `L402 ${macaroon}`, `macaroon=${macaroon}`,
    `${macaroon}:${bought.preimage}`, `${macaroon},${'x'.repeat(8200)}`,
  ];
  for (const name of ['Macaroon', 'Grpc-Metadata-Macaroon', 'Grpc_Metadata_Macaroon', 'grpc.metadata.macaroon']) {
    for (const value of values) {
      assert.equal((await send(paywall.url, '/free', { headers: { [name]: value } })).status, 200);
      assert.ok(!JSON.stringify(origin.last().headers).includes(macaroon), `${name}: ${value.slice(0, 20)}`);
    }
  }
  for (const authorization of [`L402:${bought.standard.slice(5)}`, `L402=${bought.standard.slice(5)}`, `'${bought.standard}'`]) {
    await send(paywall.url, '/free', { headers: { authorization } });
    assert.equal(origin.last().headers.authorization, undefined, authorization.slice(0, 8));
  }
});

// I8 (CHANGELOG)
test('A header Macaroon that this deployment did not sign belongs to the origin', async () => {
  const forged = hex(tamper(bought.macaroons.standard));
  for (const value of [forged, '0201036c6e64', 'not hexadecimal']) {
    const { status, headers } = await sold({ macaroon: value });
    assert.equal(status, 402);
    assert.match(headers['www-authenticate'], /invoice/);
    await send(paywall.url, '/free', { headers: { macaroon: value, 'grpc-metadata-macaroon': value } });
    assert.equal(origin.last().headers.macaroon, value);
    assert.equal(origin.last().headers['grpc-metadata-macaroon'], value);
  }
});

// I8 (CHANGELOG)
test('X-Toll-Authorization carries a credential, so that Authorization can be for the origin', async () => {
  for (const credential of [bought.standard, bought.lightningToll]) {
    const answer = await sold({ authorization: 'Basic dXNlcjpwYXNz', 'x-toll-authorization': credential });
    assert.equal(answer.status, 200);
    assert.equal(origin.last().headers.authorization, 'Basic dXNlcjpwYXNz');
    assert.equal(origin.last().headers['x-toll-authorization'], undefined);
  }
  assert.equal((await sold({ 'x-toll-authorization': 'L402 a:b' })).status, 401);
  assert.equal((await sold({ 'x-toll-authorization': 'Basic dXNlcjpwYXNz' })).status, 402);
});

test('A credential after a quotation mark is refused, and does not reach the origin on a free path', async () => {
  for (const authorization of [`"${bought.standard}`, `"${bought.standard}"`, `Basic dXNlcjpwYXNz, "${bought.standard}`]) {
    assert.notEqual((await send(paywall.url, '/free', { headers: { authorization } })).status, 500);
    assert.ok(!origin.last().headers.authorization?.includes(bought.preimage), authorization.slice(0, 12));
  }
});

// R10 (CHANGELOG), https://github.com/cloudflare/pingora/issues/892
test('A credential cookie is read from the second of two Cookie lines', async () => {
  const settled = await send(paywall.url, '/_toll/settle', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ macaroon: bought.macaroons.standard }),
  });
  const cookie = settled.headers['set-cookie'][0].split(';')[0];
  for (const lines of [['a=1', cookie], [cookie, 'a=1'], ['a=1; b=2', `c=3; ${cookie}`]]) {
    const head = lines.map((line) => `Cookie: ${line}\r\n`).join('');
    const { status } = await sendRaw(paywall.url, `GET /sold HTTP/1.1\r\nHost: ${new URL(paywall.url).host}\r\n${head}\r\n`);
    assert.equal(status, 200, head);
    assert.doesNotMatch(origin.last().headers.cookie, /toll_/);
    assert.match(origin.last().headers.cookie, /^a=1/);
  }
});

// R9 (CHANGELOG), https://github.com/rwf2/cookie-rs/issues/116
test('Headers that contain nothing for edgetoll reach the origin byte for byte', async () => {
  const received = [];
  const recorder = createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', (bytes) => {
      received.push(bytes.toString('latin1'));
      socket.end('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
    });
  });
  await new Promise((resolve) => recorder.listen(0, '127.0.0.1', resolve));
  const bare = await startBareWorker({ toll, vars: { ORIGIN_URL: `http://127.0.0.1:${recorder.address().port}` } });
  const lines = ['Cookie: name=M\xE4rz;b=2;  c="x y" ;', 'Authorization: Digest a="\xE4",b=2,  c=3', 'Macaroon: \xFF\xFE'];
  assert.equal((await sendRaw(bare.url, `GET /free HTTP/1.1\r\nHost: x\r\n${lines.join('\r\n')}\r\n\r\n`)).status, 200);
  for (const line of lines) assert.ok(received.join('').includes(`\r\n${line}\r\n`), `${line} in ${received}`);
  await bare.server.stop();
  recorder.close();
});
