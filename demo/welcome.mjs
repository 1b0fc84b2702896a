// The demo origin's welcome page: what the price list sells, and how to buy it. HTML for browsers, plain text for
// everything else.
import { readFileSync } from 'node:fs';

const sharedStyle = new URL('../www/base.css', import.meta.url);
/** Options of curl for a path. For a path that is not listed here and needs a body, curl sends README.md. */
const curlOptions = { '/convert/pdf': '--data-binary @README.md --output README.pdf' };

/**
 * Returns the page for a request, as `{ type, body }`.
 * @param request the request, as the Worker forwarded it or a client sent it here directly
 * @param options.priceList returns the price list that the Worker has now
 */
export function welcome({ headers }, { priceList }) {
  const list = itemsOf(priceList());
  const base = baseUrl(headers);
  const prefersHtml = /\btext\/html\b(?!\s*;\s*q=0(\.0*)?\s*(,|$))/i.test(headers.accept ?? '');
  return prefersHtml
    ? { type: 'text/html; charset=utf-8', body: asHtml(list, base) }
    : { type: 'text/plain; charset=utf-8', body: asText(list, base) };
}

/** Returns the path of the first item that a client can buy with one request without a body. */
export function firstForSale(toll) {
  return itemsOf(toll).items.find(({ isFree, isPattern, method }) => !isFree && !isPattern && method === 'GET')?.path;
}

/** Returns what the page shows of a price list, which may be a JSON text. */
function itemsOf(toll = {}) {
  const list = typeof toll === 'string' ? JSON.parse(toll) : toll;
  const items = (list.routes ?? []).map((route) => {
    const methods = route.methods ?? ['GET'];
    const isPattern = /[:*]/.test(route.path);
    const method = methods.includes('GET') ? 'GET' : methods[0];
    // The description becomes a shell comment above the commands. A line break would end the comment.
    const description = (route.description ?? '').replace(/\s+/g, ' ');
    return { path: route.path, isPattern, method, description, price: price(route, list), isFree: route.sats === 0 };
  });
  return { items, prefix: list.prefix ?? '/_toll', hasPublicPrices: list.public_prices !== false };
}

function price(route, list) {
  if (route.price) return 'depends on the request';
  if (route.fiat) return route.fiat;
  if (route.sats_per_kib) return `${sats(route.sats_per_kib)} per KiB`;
  return sats(route.sats ?? list.default_sats ?? 10);
}

const sats = (count) => (count === 1 ? '1 sat' : `${count} sats`);

/** Returns the URL at which the client reached the paywall, or the default URL if the host could break out of a shell command. */
function baseUrl(headers) {
  const host = headers['x-forwarded-host'] ?? headers.host ?? '';
  return `http://${/^[\w.-]+(:\d+)?$|^\[[\da-f:]+\](:\d+)?$/i.test(host) ? host : '127.0.0.1:8787'}`;
}

/** Returns the commands that buy an item, below a comment. A pattern has no commands, because it is not the path of one request. */
function buyCommands({ path, method, description, price }, base) {
  const url = shellQuote(base + path);
  const option = ['GET', 'POST'].includes(method) ? '' : ` -X ${method}`;
  const options = method === 'GET' ? '' : `${option} ${curlOptions[path] ?? '--data-binary @README.md'}`;
  return [
    `# ${description || path}: ${price}`,
    `credential=$(curl -s${method === 'GET' ? '' : ` -X ${method}`} ${url} | node demo/pay.mjs)`,
    `curl --compressed ${url} -H "Authorization: $credential"${options}`,
  ];
}

const shellQuote = (text) => (/^[\w.:/?=-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);

function asText({ items, prefix, hasPublicPrices }, base) {
  const sold = items.filter(({ isFree }) => !isFree);
  const row = ({ method, path, price, description }) => `  ${method.padEnd(5)} ${path.padEnd(16)} ${price.padEnd(10)} ${description}`.trimEnd();
  return [
    'edgetoll demo: an origin behind a Lightning paywall',
    '',
    'For sale:',
    '',
    ...sold.map(row),
    '',
    `Free: every other path, such as ${freePaths(items).join(', ')}`,
    '',
    "To buy, run the commands in edgetoll's folder. demo/pay.mjs pays from the demo's own wallet, with play money.",
    '',
    `curl -i ${shellQuote(base + (sold.find(({ isPattern }) => !isPattern)?.path ?? '/'))}  # shows the 402 response with the price and an invoice`,
    '',
    ...sold.filter(({ isPattern }) => !isPattern).flatMap((item) => [...buyCommands(item, base), '']),
    ...(hasPublicPrices ? [`Prices as JSON: ${base}/.well-known/l402`] : []),
    `State of the paywall: ${base}${prefix}/health`,
    '',
  ].join('\n');
}

const freePaths = (items) => ['/', ...items.filter(({ isFree }) => isFree).map(({ path }) => path)];

function asHtml({ items, prefix, hasPublicPrices }, base) {
  const sold = items.filter(({ isFree }) => !isFree);
  const title = ({ description, path }) => escape(description || path);
  const action = ({ method, isPattern, path, ...item }) =>
    method === 'GET' && !isPattern
      ? `<a class="button primary" href="${escape(path)}" aria-label="Buy: ${title({ path, ...item })}">Buy</a>`
      : '<p class="note">Buy it on the command line (see below).</p>';
  const card = (item) => `
        <li class="panel">
          <h2>${title(item)}</h2>
          <p class="path"><code>${escape(item.method)} ${escape(item.path)}</code></p>
          <p class="price">${escape(item.price)}</p>
          ${action(item)}
        </li>`;
  const examples = sold.filter(({ isPattern }) => !isPattern).map((item) => buyCommands(item, base).join('\n'));
  const free = freePaths(items).map((path) => `<a href="${escape(path)}"><code>${escape(path)}</code></a>`);
  return `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>edgetoll demo</title>
    <link rel="icon" href="data:,">
    <style>
${readFileSync(sharedStyle, 'utf8')}${STYLE}</style>
  </head>
  <body>
    <header class="road">
      <div class="lane">
        <svg class="mark" viewBox="0 0 32 32" aria-hidden="true">
          <path class="post" d="M7 12v18M2 30h10" /><path class="pole" d="M7 16l20-13" /><path class="stripes" d="M10 14l17-11" />
        </svg>
        <h1>edgetoll demo</h1>
      </div>
    </header>
    <main>
      <p>This origin is behind a Lightning paywall. The paths below have a price. You pay with play money from the demo’s wallet: nothing here costs real bitcoin.</p>
      <ul>${sold.map(card).join('')}
      </ul>
      <section class="panel">
        <h2>Buy in the browser</h2>
        <ol>
          <li>Choose <b>Buy</b>. The pay page shows a Lightning invoice.</li>
          <li>Copy the invoice and pay it from the demo’s wallet, in edgetoll’s folder: <code>node demo/pay.mjs lnbc…</code></li>
          <li>The pay page then opens what you bought, by itself.</li>
        </ol>
      </section>
      <section class="panel">
        <h2>Buy on the command line</h2>
        <p>Run these commands in edgetoll’s folder. <code>demo/pay.mjs</code> pays from the demo’s wallet and prints the credential.</p>
        <pre tabindex="0">${escape(examples.join('\n\n'))}</pre>
      </section>
      <section class="panel">
        <h2>Free</h2>
        <p>Every path that is not in the price list is free: ${free.join(', ')} and all others.</p>
        <p>${hasPublicPrices ? `Prices as JSON: <a href="/.well-known/l402"><code>/.well-known/l402</code></a>. ` : ''}The owner’s dashboard: <a href="${escape(prefix)}/"><code>${escape(prefix)}/</code></a>, with the <code>ADMIN_TOKEN</code> of <code>.dev.vars</code>.</p>
      </section>
    </main>
  </body>
</html>
`;
}

const ENTITIES = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
const escape = (text) => text.replace(/[&<>"']/g, (character) => ENTITIES[character]);

const STYLE = `
.lane { max-width: 56rem; padding-block: 0.625rem; }
main { max-width: 56rem; margin: auto; padding: 1.5rem 1rem 3rem; }
h2 { margin: 0; font-size: 1.125rem; }
ul { display: grid; grid-template-columns: repeat(auto-fill, minmax(16rem, 1fr)); gap: 1rem; margin: 1.5rem 0; padding: 0; list-style: none; }
ol { margin: 0.5rem 0 0; padding-left: 1.25rem; }
a { color: inherit; }
.panel { padding: 1rem 1.25rem 1.25rem; }
section { margin-top: 1rem; }
section p { margin-top: 0.5rem; }
li.panel { display: flex; flex-direction: column; }
.path, .note { color: var(--muted); font-size: 0.875rem; }
.price { margin: 0.5rem 0 1rem; font-size: 1.5rem; font-weight: 700; }
li .button, li .note { margin-top: auto; }
pre { margin: 0.75rem 0 0; padding: 0.75rem 1rem; overflow-x: auto; background: var(--ground); border-radius: 6px; font-size: 0.8125rem; }
code { font-size: 0.9em; }
`;
