// A server in front of the real LNbits that answers wrongly when it is told to, and passes everything on when it is not.
import { createServer } from 'node:http';
import { freePort } from '../../../tools/lib/run.mjs';
import { change } from './bolt11.mjs';
import { lnbits } from './paywall.mjs';

/** What stands in every wrong answer, and must never be seen again. */
export const MARK = 'SECRET-OF-LNBITS';

/** Starts it. `fail(fault, on)` answers so the requests of a method; `pass()` ends it. */
export async function startFaulty({ target = lnbits.url } = {}) {
  const port = await freePort();
  const calls = [];
  const elsewhere = [];
  let [fault, on] = [];
  const server = createServer(async (request, response) => {
    const { method, url, headers } = request;
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = Buffer.concat(chunks).toString();
    calls.push({ method, url, headers, body });
    const ask = (wanted = body, at = url) => forward(target, { method, url: at, headers }, wanted);
    try {
      const isHit = fault && (!on || on === method);
      await (isHit ? (FAULTS[fault] ?? ODD[fault]) : passOn)({ request, response, body, ask, elsewhere: elsewhereUrl });
    } catch {
      response.destroy();
    }
  });
  const stranger = createServer((request, response) => {
    elsewhere.push(request.headers);
    response.writeHead(201, { 'Content-Type': 'application/json' }).end('{}');
  });
  await new Promise((resolve) => stranger.listen(0, '127.0.0.1', resolve));
  // A test that fails must still end.
  stranger.unref();
  server.unref();
  const elsewhereUrl = `http://127.0.0.1:${stranger.address().port}`;
  const listen = () => new Promise((resolve) => server.listen(port, '127.0.0.1', resolve));
  const hangUp = () => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  };
  await listen();
  return {
    url: `http://127.0.0.1:${port}`,
    calls,
    elsewhere,
    /** How often an invoice was asked for. */
    invoices: () => calls.filter(({ method }) => method === 'POST').length,
    fail: async (name, method) => {
      if (name === 'refuses the connection') return hangUp();
      [fault, on] = [name, method];
    },
    pass: async () => {
      [fault, on] = [];
      if (!server.listening) await listen();
    },
    close: async () => {
      stranger.close();
      if (server.listening) await hangUp();
    },
  };
}

async function forward(target, { method, url, headers }, body) {
  const { host, connection, 'content-length': _, 'transfer-encoding': __, ...kept } = headers;
  const answer = await fetch(`${target}${url}`, { method, headers: kept, body: body || undefined, redirect: 'manual' });
  return { status: answer.status, text: await answer.text() };
}

async function passOn({ response, ask }) {
  const { status, text } = await ask();
  response.writeHead(status, { 'Content-Type': 'application/json' }).end(text);
}

/** The real answer, changed. */
const changed = (edit) => async ({ response, ask, body }) => {
  const { status, text } = await ask(edit.body ? edit.body(body) : body);
  const answer = JSON.parse(text);
  // A payment that is looked up stands in `details`.
  edit.answer?.(answer.details ?? answer);
  response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(answer));
};

const status = (code, headers = {}) => ({ response }) =>
  void response
    .writeHead(code, { 'Content-Type': 'application/json', ...headers })
    .end(JSON.stringify({ detail: MARK, error: MARK, preimage: MARK, bolt11: MARK }));

const good = ({ method }) => (method === 'POST' ? 201 : 200);

const resign = (edit) => (payment) => {
  payment.bolt11 = payment.payment_request = change(payment.bolt11, edit(payment));
};
const prefixOf = (bolt11) => bolt11.slice(0, bolt11.lastIndexOf('1'));

/** What is no fault, though not what one would like. */
const ODD = {
  'ignores every filter': async ({ request, response, ask }) => {
    const at = new URL(request.url, lnbits.url);
    for (const name of [...at.searchParams.keys()]) if (!['limit', 'offset', 'sortby', 'direction'].includes(name)) at.searchParams.delete(name);
    const { status, text } = await ask(undefined, at.pathname + at.search);
    response.writeHead(status, { 'Content-Type': 'application/json' }).end(text);
  },
  'an invoice that lasts 100 seconds': changed({
    body: (body) => body && JSON.stringify({ ...JSON.parse(body), expiry: 100 }),
  }),
};

/** Every fault, by its name in docs/operations.md. (Whoever refuses connections has no handler.) */
export const FAULTS = {
  'does not answer': () => {},
  'sends its headers too slowly': ({ response }) => void response.socket.write('HTTP/1.1 201 Created\r\nContent-Ty'),
  'sends its body too slowly': async ({ response, ask }) => {
    const { status, text } = await ask();
    response.writeHead(status, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(text) });
    response.write(text.slice(0, 100));
  },
  'breaks off in the body': async ({ response, ask }) => {
    const { status, text } = await ask();
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
    void response.writeHead(520, { 'Content-Type': 'application/json' }).end(JSON.stringify({ detail: MARK, status: 'pending' })),
  'HTML instead of JSON': ({ request, response }) =>
    void response.writeHead(good(request), { 'Content-Type': 'text/html' }).end(`<html><body>${MARK}</body></html>`),
  '`status: failed`': changed({ answer: (payment) => (payment.status = 'failed') }),
  'another amount': changed({
    body: (body) => body && JSON.stringify({ ...JSON.parse(body), amount: JSON.parse(body).amount + 1 }),
    answer: (payment) => (payment.amount += 1000),
  }),
  'another payment hash': changed({ answer: (payment) => (payment.payment_hash = 'ab'.repeat(32)) }),
  'an invoice without amount': changed({ answer: resign(({ bolt11 }) => ({ prefix: prefixOf(bolt11).replace(/\d.*$/, '') })) }),
  'an expired invoice': changed({ answer: resign(() => ({ timestamp: Math.floor(Date.now() / 1000) - 301 })) }),
  'an invoice that ends in 30 seconds': changed({
    body: (body) => body && JSON.stringify({ ...JSON.parse(body), expiry: 30 }),
  }),
  'an invoice for another network': changed({
    answer: resign(({ bolt11 }) => ({ prefix: prefixOf(bolt11).replace('lnbc', 'lntb') })),
  }),
  'megabytes of answer': ({ request, response }) => {
    response.writeHead(good(request), { 'Content-Type': 'application/json' });
    const more = () => !response.destroyed && response.write(MARK.repeat(4096), (error) => error || setImmediate(more));
    more();
  },
  'a redirect to another host': ({ request, response, elsewhere }) =>
    void response.writeHead(307, { Location: `${elsewhere}${request.url}` }).end(),
};
