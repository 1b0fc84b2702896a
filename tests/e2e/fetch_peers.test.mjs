// `edgetoll fetch` pays the servers of other projects: the package lightning-toll from PyPI, unchanged, and servers with the wire format of
// rack-lightning and of ln-paywall.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { issueL402Macaroon, makeL402AuthenticateHeader, parseL402Authorization, verifyL402Macaroon } from '@getalby/lightning-tools/402';
import { freePort, root } from '../../tools/lib/run.mjs';
import { newInvoice, newUser, paidDuring } from './support/command.mjs';
import { lnbits, run } from './support/paywall.mjs';

const servers = [];
after(() => servers.forEach((server) => server.close()));

test('lightning-toll with FastAPI: paid once, although its challenge stands in `detail`', async () => {
  const port = await freePort();
  const args = [join(root, 'tests/peers/lightning_toll_server.py'), String(port), lnbits.url, lnbits.merchant.invoiceKey];
  const url = `http://127.0.0.1:${port}`;
  await run.start('lightning-toll', join(root, '.tools/lightning-toll/bin/python'), args).until(() => fetch(url).then(() => true, () => false));
  const user = newUser();
  const { paid, result } = await paidDuring(async () => [await user.fetch(`${url}/joke`), await user.fetch(`${url}/joke`)]);
  assert.deepEqual(paid, [5]);
  for (const { code, stdout, stderr } of result) assert.deepEqual([code, stdout], [0, '{"joke":"a joke"}'], stderr);
});

test("@getalby/lightning-tools: a server with Alby's header and token is paid, and its token is used again", async () => {
  const secret = 'a secret of this test';
  const url = await startServer(async (request, response) => {
    const { token, preimage } = parseL402Authorization(request.headers.authorization ?? '') ?? {};
    const hash = preimage && createHash('sha256').update(Buffer.from(preimage, 'hex')).digest('hex');
    if (hash && (await verifyL402Macaroon(secret, token)).paymentHash === hash) return response.end('paid for');
    const { bolt11: invoice, payment_hash: paymentHash } = await newInvoice(5);
    const header = makeL402AuthenticateHeader({ token: await issueL402Macaroon(secret, paymentHash), invoice });
    return response.writeHead(402, { 'WWW-Authenticate': header }).end();
  });
  const user = newUser();
  const { paid, result } = await paidDuring(async () => [await user.fetch(url), await user.fetch(url)]);
  assert.deepEqual(paid, [5]);
  for (const { code, stdout, stderr } of result) assert.deepEqual([code, stdout], [0, 'paid for'], stderr);
});

test('rack-lightning: each request is paid, with `X-Preimage` and without a reason for refusals', async () => {
  const url = await startBolt11Server({ contentType: 'application/vnd.lightning.bolt11', refuse: (response, challenge) => challenge() });
  const user = newUser();
  const { paid, result } = await paidDuring(async () => [await user.fetch(url), await user.fetch('-d', '# title', url)]);
  assert.deepEqual(paid, [5, 5]);
  assert.deepEqual(result.map(({ code, stdout }) => [code, stdout]), [[0, 'GET '], [0, 'POST # title']]);
});

test('ln-paywall: a used preimage gets 400, and the next request is paid', async () => {
  const sentence = 'You already sent a request with the same preimage. You have to pay a new invoice for and include the corresponding preimage in each request.\n';
  const refuse = (response) => response.writeHead(400, { 'Content-Type': 'text/plain; charset=utf-8' }).end(sentence);
  const url = await startBolt11Server({ contentType: 'Application/vnd.lightning.Bolt11; charset=utf-8', refuse });
  const user = newUser();
  const { paid, result } = await paidDuring(async () => [await user.fetch(url), await user.fetch(url)]);
  assert.deepEqual(paid, [5, 5]);
  for (const { code, stdout } of result) assert.deepEqual([code, stdout], [0, 'GET ']);
});

/** Starts a server that sends bare invoices and accepts each preimage once. It answers with method and body. */
function startBolt11Server({ contentType, refuse }) {
  const open = new Set();
  return startServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    const challenge = async () => {
      const { bolt11, payment_hash: hash } = await newInvoice(5);
      open.add(hash);
      response.writeHead(402, { 'Content-Type': contentType }).end(bolt11);
    };
    const preimage = request.headers['x-preimage'];
    if (!preimage) return challenge();
    const hash = createHash('sha256').update(Buffer.from(preimage, 'hex')).digest('hex');
    return open.delete(hash) ? response.end(`${request.method} ${body}`) : refuse(response, challenge);
  });
}

/** Starts a server. Returns the URL of one of its paths. */
async function startServer(answer) {
  const server = createServer(answer);
  servers.push(server);
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${server.address().port}/convert`;
}
