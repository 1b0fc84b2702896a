// A small server that sells by L402 or by bare invoices, and lets a test change each of its answers: to lie, to wait, to break off.
import { createHash, randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { newInvoice } from './command.mjs';

/**
 * Starts the server. `answer` may answer a request itself; if it returns nothing, the server answers as an honest one. It gets the
 * request, the response, and `{ isPaid, challenge(changes) }`.
 */
export async function startTollServer(answer = () => {}, { sats = 5, protocol = 'l402' } = {}) {
  const issued = new Set();
  const requests = [];
  const server = createServer(async (request, response) => {
    for await (const _ of request);
    const proof = readProof(request.headers, protocol);
    const isPaid = issued.has(proof);
    requests.push({ method: request.method, path: request.url, headers: request.headers, isPaid });
    const challenge = (changes) => sendChallenge(response, protocol, issued, { sats, ...changes });
    await answer(request, response, { isPaid, challenge });
    if (response.writableEnded || response.headersSent || response.isHeld) return;
    if (isPaid) response.writeHead(200, { 'Content-Type': 'text/plain' }).end('content');
    else await challenge();
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    port: server.address().port,
    requests,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

/** Returns the payment hash that a proof is for. */
function readProof(headers, protocol) {
  const preimage = protocol === 'l402' ? headers.authorization?.split(':').at(-1) : headers['x-preimage'];
  return preimage && createHash('sha256').update(Buffer.from(preimage, 'hex')).digest('hex');
}

/**
 * Sends a 402.
 * @param changes `invoice`: replaces the invoice; `id`: the payment hash in the macaroon; `caveats` of the macaroon; `body`: keys of the
 * JSON body; `raw`: the whole body
 */
async function sendChallenge(response, protocol, issued, { sats, invoice, id, caveats = [], body = {}, raw }) {
  const bill = await newInvoice(sats);
  issued.add(bill.payment_hash);
  invoice ??= bill.bolt11;
  if (protocol !== 'l402') return response.writeHead(402, { 'Content-Type': 'application/vnd.lightning.bolt11' }).end(raw ?? invoice);
  // Each challenge has a macaroon of lightning-toll, whose signature no client can check.
  const macaroon = { id: id ?? bill.payment_hash, caveats: [`service = ${randomUUID()}`, ...caveats], signature: '00'.repeat(32) };
  const encoded = Buffer.from(JSON.stringify(macaroon)).toString('base64url');
  const headers = { 'WWW-Authenticate': `L402 macaroon="${encoded}", invoice="${invoice}"`, 'Content-Type': 'application/json' };
  return response.writeHead(402, headers).end(raw ?? JSON.stringify({ amountSats: sats, ...body }));
}
