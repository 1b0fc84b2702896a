// A proxy in front of the real LNbits. It forwards every request, or answers it with a fault that a test selects.
import { createServer } from 'node:http';
import { freePort } from '../../../tools/lib/run.mjs';
import { editInvoice } from './bolt11.mjs';
import { lnbits } from './paywall.mjs';

/** A text in every response body that the proxy makes up. No log and no response of the Worker may contain this text. */
export const MARKER = 'SECRET-OF-LNBITS';

/**
 * Starts the proxy. `injectFault(fault, method)` injects a fault into the requests with this method; if `method` is not given, into
 * all requests. `clearFault()` ends the fault.
 */
export async function startFaultProxy({ target = lnbits.url } = {}) {
  const port = await freePort();
  const calls = [];
  const redirectedRequests = [];
  let [fault, faultyMethod] = [];
  const server = createServer(async (request, response) => {
    const { method, url, headers } = request;
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = Buffer.concat(chunks).toString();
    calls.push({ method, url, headers, body });
    const fetchUpstream = (newBody = body, newUrl = url) => forward(target, { method, url: newUrl, headers }, newBody);
    try {
      const isFaulty = fault && (!faultyMethod || faultyMethod === method);
      await (isFaulty ? (FAULTS[fault] ?? QUIRKS[fault]) : forwardUnchanged)({ request, response, body, fetchUpstream, redirectTarget });
    } catch {
      response.destroy();
    }
  });
  const redirectServer = createServer((request, response) => {
    redirectedRequests.push(request.headers);
    response.writeHead(201, { 'Content-Type': 'application/json' }).end('{}');
  });
  await new Promise((resolve) => redirectServer.listen(0, '127.0.0.1', resolve));
  // An open server must not keep the process of a failed test alive.
  redirectServer.unref();
  server.unref();
  const redirectTarget = `http://127.0.0.1:${redirectServer.address().port}`;
  const listen = () => new Promise((resolve) => server.listen(port, '127.0.0.1', resolve));
  const stopListening = () => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  };
  await listen();
  return {
    url: `http://127.0.0.1:${port}`,
    calls,
    redirectedRequests,
    /** Returns how many invoices were requested so far. */
    invoiceCount: () => calls.filter(({ method }) => method === 'POST').length,
    injectFault: async (name, method) => {
      if (name === 'refuses the connection') return stopListening();
      [fault, faultyMethod] = [name, method];
    },
    clearFault: async () => {
      [fault, faultyMethod] = [];
      if (!server.listening) await listen();
    },
    close: async () => {
      redirectServer.close();
      if (server.listening) await stopListening();
    },
  };
}

async function forward(target, { method, url, headers }, body) {
  const { host, connection, 'content-length': _, 'transfer-encoding': __, ...kept } = headers;
  const answer = await fetch(`${target}${url}`, { method, headers: kept, body: body || undefined, redirect: 'manual' });
  return { status: answer.status, text: await answer.text() };
}

async function forwardUnchanged({ response, fetchUpstream }) {
  const { status, text } = await fetchUpstream();
  response.writeHead(status, { 'Content-Type': 'application/json' }).end(text);
}

/** Returns a handler that forwards the request, and edits its body or the response. */
const edited = (edit) => async ({ response, fetchUpstream, body }) => {
  const { status, text } = await fetchUpstream(edit.body ? edit.body(body) : body);
  const answer = JSON.parse(text);
  // The response to a payment lookup has the payment in `details`.
  edit.answer?.(answer.details ?? answer);
  response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(answer));
};

const status = (code, headers = {}) => ({ response }) =>
  void response
    .writeHead(code, { 'Content-Type': 'application/json', ...headers })
    .end(JSON.stringify({ detail: MARKER, error: MARKER, preimage: MARKER, bolt11: MARKER }));

const successStatus = ({ method }) => (method === 'POST' ? 201 : 200);

const withInvoice = (edit) => (payment) => {
  payment.bolt11 = payment.payment_request = editInvoice(payment.bolt11, edit(payment));
};
const prefixOf = (bolt11) => bolt11.slice(0, bolt11.lastIndexOf('1'));

/** Unusual behaviour of LNbits that is not a fault. */
const QUIRKS = {
  'ignores every filter': async ({ request, response, fetchUpstream }) => {
    const unfiltered = new URL(request.url, lnbits.url);
    for (const name of [...unfiltered.searchParams.keys()]) if (!['limit', 'offset', 'sortby', 'direction'].includes(name)) unfiltered.searchParams.delete(name);
    const { status, text } = await fetchUpstream(undefined, unfiltered.pathname + unfiltered.search);
    response.writeHead(status, { 'Content-Type': 'application/json' }).end(text);
  },
  'an invoice that lasts 100 seconds': edited({
    body: (body) => body && JSON.stringify({ ...JSON.parse(body), expiry: 100 }),
  }),
  'an invoice that lasts a day': edited({
    body: (body) => body && JSON.stringify({ ...JSON.parse(body), expiry: 86_400 }),
  }),
};

/** Every fault, by its name in docs/operations.md, except `refuses the connection`, for which the proxy stops listening. */
export const FAULTS = {
  'does not answer': () => {},
  'sends its headers too slowly': ({ response }) => void response.socket.write('HTTP/1.1 201 Created\r\nContent-Ty'),
  'sends its body too slowly': async ({ response, fetchUpstream }) => {
    const { status, text } = await fetchUpstream();
    response.writeHead(status, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(text) });
    response.write(text.slice(0, 100));
  },
  'breaks off in the body': async ({ response, fetchUpstream }) => {
    const { status, text } = await fetchUpstream();
    response.writeHead(status, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(text) });
    response.write(text.slice(0, 100), () => response.destroy());
  },
  '429': status(429),
  '429 with `Retry-After: 7`': status(429, { 'Retry-After': '7' }),
  '401 for the key': status(401),
  '403 for the key': status(403),
  '404 for the key': status(404),
  '500': status(500),
  '502': status(502),
  '520': status(520),
  '520, since its funding source is down': ({ response }) =>
    void response.writeHead(520, { 'Content-Type': 'application/json' }).end(JSON.stringify({ detail: MARKER, status: 'pending' })),
  'HTML instead of JSON': ({ request, response }) =>
    void response.writeHead(successStatus(request), { 'Content-Type': 'text/html' }).end(`<html><body>${MARKER}</body></html>`),
  '`status: failed`': edited({ answer: (payment) => (payment.status = 'failed') }),
  'another amount': edited({
    body: (body) => body && JSON.stringify({ ...JSON.parse(body), amount: JSON.parse(body).amount + 1 }),
    answer: (payment) => (payment.amount += 1000),
  }),
  'another payment hash': edited({ answer: (payment) => (payment.payment_hash = 'ab'.repeat(32)) }),
  'an invoice without amount': edited({ answer: withInvoice(({ bolt11 }) => ({ prefix: prefixOf(bolt11).replace(/\d.*$/, '') })) }),
  'an expired invoice': edited({ answer: withInvoice(() => ({ timestamp: Math.floor(Date.now() / 1000) - 301 })) }),
  'an invoice that ends in 30 seconds': edited({
    body: (body) => body && JSON.stringify({ ...JSON.parse(body), expiry: 30 }),
  }),
  'an invoice for another network': edited({
    answer: withInvoice(({ bolt11 }) => ({ prefix: prefixOf(bolt11).replace('lnbc', 'lntb') })),
  }),
  'a response of megabytes': ({ request, response }) => {
    response.writeHead(successStatus(request), { 'Content-Type': 'application/json' });
    const writeMore = () => !response.destroyed && response.write(MARKER.repeat(4096), (error) => error || setImmediate(writeMore));
    writeMore();
  },
  'a redirect to another host': ({ request, response, redirectTarget }) =>
    void response.writeHead(307, { Location: `${redirectTarget}${request.url}` }).end(),
};
