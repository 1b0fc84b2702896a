// An origin that reads a request in every way that origins are known to, and serves the dearest thing that any way gives.
import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import { WebSocketServer } from 'ws';

/**
 * Starts it.
 * @param {object[]} sold what is secret, the dearest first: `name`, `is(path)`, and optionally `when(request)`
 */
export async function startLiberalOrigin(sold) {
  const secret = `secret-${randomBytes(8).toString('hex')}`;
  const served = [];
  const serve = (request, bytes) => {
    const resource = dearest(sold, request, bytes);
    const { method, url, headers } = request;
    if (resource) served.push({ resource, method, url, attempt: headers['x-attempt'] });
    return resource && `${secret} ${resource}`;
  };
  const server = createServer(async (request, response) => {
    let bytes = 0;
    try {
      for await (const chunk of request) bytes += chunk.length;
    } catch {
      return;
    }
    const content = serve(request, bytes);
    // An answer to HEAD tells what it would have been.
    response.writeHead(200, { 'Content-Type': 'text/plain', ...(content && { ETag: `"${content}"` }) });
    response.end(content ?? 'free');
  });
  const sockets = new WebSocketServer({ noServer: true });
  server.on('upgrade', (request, socket, head) => {
    const content = serve(request, 0);
    sockets.handleUpgrade(request, socket, head, (open) => {
      open.send(content ?? 'free');
      open.close();
    });
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    secret,
    served,
    close: () => {
      sockets.close();
      server.closeAllConnections();
      return new Promise((resolve) => server.close(resolve));
    },
  };
}

function dearest(sold, { method, url, headers }, bytes) {
  const said = Object.entries(headers).flatMap(([name, value]) => (REWRITES.includes(fold(name)) ? value.split(',').map((part) => part.trim()) : []));
  const paths = [url, ...said, ...said.map((prefix) => prefix + url)].flatMap(readings);
  const override = Object.entries(headers).find(([name]) => OVERRIDES.includes(fold(name)))?.[1];
  const query = parameters([url, ...said]);
  const request = { methods: [method, override].map((one) => one?.toUpperCase()), headers: folded(headers), query, bytes };
  return sold.find(({ is, when }) => paths.some(is) && (!when || when(request)))?.name;
}

/** Every path that a request target can be read as: each liberty may be taken at any time, and again. */
function readings(target) {
  const seen = new Set([target]);
  for (const one of seen) {
    for (const liberty of LIBERTIES) seen.add(liberty(one));
    if (seen.size > 5000) throw new Error(`${target} has too many readings`);
  }
  return [...seen];
}

const LIBERTIES = [
  // As `new URL(target, base)` reads a target, be it absolute or `//host/path`.
  (text) => text.replace(/^([a-z]+:)?\/\/[^/?#\\]*/i, ''),
  (text) => text.split(/[?#\0]/)[0],
  decode,
  (text) => text.replaceAll('\\', '/'),
  (text) => text.replace(/;[^/]*/g, ''),
  (text) => text.replace(/\/{2,}/g, '/'),
  withoutDots,
  (text) => text.replace(/[\x00-\x1f\x7f]/g, ''),
  (text) => text.replace(/[ ./]+$/, ''),
  // As Windows trims the names of folders.
  (text) => text.replace(/(?<=[^./])[ .]+(?=\/)/g, ''),
  (text) => text.toLowerCase(),
  // As `equalsIgnoreCase`, `EqualFold` and `(?i)` take letters for the same.
  (text) => text.replaceAll('İ', 'i').toUpperCase().toLowerCase(),
  (text) => text.replace(/\/index\.php(?=\/)/, ''),
  (text) => text.replace(/(\.php)\/.*/, '$1'),
];

/** Percent-decodes once; what is no escape stays. */
function decode(text) {
  return text.replace(/(%[0-9a-f]{2})+/gi, (escapes) => Buffer.from(escapes.replaceAll('%', ''), 'hex').toString());
}

function withoutDots(text) {
  const kept = [];
  for (const name of text.split('/')) {
    if (name === '..') kept.length > 1 && kept.pop();
    else if (name !== '.') kept.push(name);
  }
  return kept.join('/');
}

/** Names and values of the queries, in every reading: both separators, `a[]`, `a.b` and `a b` as `a_b`, in lower case. */
function parameters(targets) {
  const pairs = targets.flatMap((target) => {
    const [path, ...query] = target.split('?');
    return [...query, ...decode(path).split('?').slice(1)].flatMap((part) => part.split(/[&;#]/));
  });
  return pairs.filter(Boolean).map((pair) => {
    const [name, ...value] = pair.split('=').map((part) => decode(decode(part.replaceAll('+', ' '))));
    const plain = name.toLowerCase().split(/[[\0]/)[0].replace(/[\x00-\x1f\x7f]/g, '').trim();
    return { name: plain.replace(/[. ]/g, '_'), value: value.join('=').trim().toLowerCase() };
  });
}

/** Headers as CGI names them, each with its values in lower case and without their parameters. */
function folded(headers) {
  const values = {};
  for (const [name, value] of Object.entries(headers)) {
    (values[fold(name)] ??= []).push(...String(value).toLowerCase().split(',').map((part) => part.split(';')[0].trim()));
  }
  return values;
}

const fold = (name) => name.toLowerCase().replace(/[^a-z0-9]/g, '-');
const REWRITES = ['x-original-url', 'x-rewrite-url', 'x-original-uri', 'x-forwarded-uri', 'x-forwarded-path', 'x-forwarded-prefix', 'x-script-name', 'script-name', 'path-info'];
const OVERRIDES = ['x-http-method-override', 'x-http-method', 'x-method-override'];
