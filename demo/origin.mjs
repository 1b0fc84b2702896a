// The demo origin, which `make dev` puts behind the paywall. It does not handle payments: the `x-toll-*` headers, which the Worker
// sets, say whether a request was paid, and how much was paid.
import { createServer } from 'node:http';
import { marked } from 'marked';
import PDFDocument from 'pdfkit';
import { welcome } from './welcome.mjs';

const routes = {
  'GET /': (request, response, options) => {
    const { type, body } = welcome(request, options);
    response.setHeader('Vary', 'Accept');
    send(response, type, body);
  },
  'GET /api/joke': (request, response) => sendJson(response, { joke: pick(jokes), ...receipt(request) }),
  'GET /api/time': (request, response) => sendJson(response, { time: new Date().toISOString(), ...receipt(request) }),
  'GET /api/data': (request, response) => sendJson(response, { readings: readings(), ...receipt(request) }),
  // The paths of examples/price-by-code.
  'GET /api/echo': (request, response) => sendJson(response, { text: query(request).get('text'), ...receipt(request) }),
  'GET /api/search': (request, response) =>
    sendJson(response, { jokes: jokes.slice(0, Number(query(request).get('limit') ?? 1)), ...receipt(request) }),
  'POST /convert/html': async (request, response) =>
    send(response, 'text/html; charset=utf-8', marked.parse(await text(request))),
  'POST /convert/pdf': async (request, response) => {
    response.writeHead(200, { 'Content-Type': 'application/pdf' });
    pdf(await text(request)).pipe(response);
  },
};

/** Starts the origin and returns its server. For the welcome page, `priceList` returns the price list of the Worker. */
export function startOrigin(port = 0, { priceList = () => undefined } = {}) {
  const server = createServer(async (request, response) => {
    const path = request.url.split('?')[0];
    const answer = routes[`${request.method === 'HEAD' ? 'GET' : request.method} ${path}`];
    try {
      if (answer) await answer(request, response, { priceList });
      // A path that the owner adds to the price list has content too, so that it can be bought.
      else if (['paid', 'free'].includes(request.headers['x-toll-status'])) sendJson(response, { content: `The demo's content of ${request.url}`, ...receipt(request) });
      else sendJson(response, { error: 'The demo origin has no such path. The page / lists the paths.' }, 404);
    } catch (error) {
      console.error(error);
      if (!response.headersSent) sendJson(response, { error: 'The demo origin failed. Its output has the reason.' }, 500);
    }
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject).listen(port, '127.0.0.1', () => resolve(server));
  });
}

/** Returns the payment that the Worker reports in its headers; an empty object if the request was not paid. */
function receipt({ headers }) {
  const paid = headers['x-toll-status'] === 'paid';
  return paid ? { paidSats: Number(headers['x-toll-amount-sats']), paymentHash: headers['x-toll-payment-hash'] } : {};
}

const query = (request) => new URL(request.url, 'http://origin').searchParams;

function pdf(markdown) {
  const document = new PDFDocument({ margin: 56 });
  for (const token of marked.lexer(markdown)) {
    if (token.type === 'space') continue;
    const heading = token.type === 'heading';
    document.font(heading ? 'Helvetica-Bold' : token.type === 'code' ? 'Courier' : 'Helvetica');
    document.fontSize(heading ? 26 - 3 * token.depth : 11).text(plain(token)).moveDown();
  }
  document.end();
  return document;
}

/** Returns the text of a Markdown token without markup. */
function plain(token) {
  if (token.type === 'list') return token.items.map((item) => `•  ${plain(item)}`).join('\n');
  return token.tokens ? token.tokens.map(plain).join('') : (token.text ?? token.raw);
}

/** Returns the body of a request. */
async function text(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}

function send(response, type, body, status = 200) {
  response.writeHead(status, { 'Content-Type': type, 'Content-Length': Buffer.byteLength(body) });
  response.end(body);
}

const sendJson = (response, body, status) => send(response, 'application/json', `${JSON.stringify(body)}\n`, status);

const pick = (list) => list[Math.floor(Math.random() * list.length)];

const readings = () => Array.from({ length: 24 }, (_, hour) => ({ hour, celsius: 12 + Math.round(60 * Math.sin(hour / 4)) / 10 }));

const jokes = [
  'There are 10 kinds of people: those who read binary and those who do not.',
  'A payment walks into a bar. The bar says: 402.',
  'I would tell you a UDP joke, but you might not get it.',
  'Why do satoshis travel light? They never carry change.',
];
