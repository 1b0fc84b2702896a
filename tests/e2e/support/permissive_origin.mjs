// An origin that interprets a request in every way that known origins do, and serves the most expensive resource that any
// interpretation yields.
import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import { WebSocketServer } from 'ws';

/**
 * Starts the origin.
 * @param {object[]} resources the priced resources, most expensive first: `name`, `matches(path)`, optionally `when(request)`
 */
export async function startPermissiveOrigin(resources) {
  const secret = `secret-${randomBytes(8).toString('hex')}`;
  const served = [];
  const serve = (request, bytes) => {
    const resource = mostExpensive(resources, request, bytes);
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
    // A response to HEAD has no body, so the content is repeated in the ETag.
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

function mostExpensive(resources, { method, url, headers }, bytes) {
  const values = Object.entries(headers).filter(([name]) => !HARMLESS.includes(name)).flatMap(([, value]) => String(value).split(',').map((part) => part.trim()));
  const rewritten = values.filter((value) => value.startsWith('/'));
  // Astro and SvelteKit write these headers into the URL of the request: the path begins after the host.
  const inUrl = URL_PARTS.flatMap((name) => headers[name] ?? []).map((value) => value.replace(/^[^/]*(:\/\/[^/]*)?/, '') + url);
  const paths = [url, ...pathsInQuery(url), ...rewritten, ...rewritten.map((prefix) => prefix + url), ...inUrl].flatMap(normalizedForms);
  const override = Object.entries(headers).find(([name]) => OVERRIDES.includes(normalizeName(name)))?.[1];
  const isUtf7 = /utf-7/i.test(headers['content-type']);
  const query = parameters([isUtf7 ? decodeUtf7(url) : url, ...rewritten]);
  const inQuery = query.filter(({ name }) => name === '_method').map(({ value }) => value);
  const request = { methods: [method, override, ...inQuery].map((name) => name?.toUpperCase()), headers: foldHeaders(headers), query, bytes };
  return resources.find(({ matches, when }) => paths.some(matches) && (!when || when(request)))?.name;
}

/** Returns the paths that Zope and image optimizers take from the query. */
function pathsInQuery(url) {
  const [path, query = ''] = url.split('?');
  const pairs = query.split('&').map((pair) => pair.split('=').map(decode));
  const calls = pairs.filter(([name]) => /:(default_)?(method|action)\b/.test(name));
  const images = pairs.filter(([, value]) => /image/.test(path) && value?.startsWith('/'));
  return [...calls.map(([name, value]) => `${path}/${name.split(':')[0] || value}`), ...images.map(([, value]) => value)];
}

/** Decodes the letters that a query has in UTF-7, such as `%2BAHA-` for `p`. */
function decodeUtf7(text) {
  return text.replace(/%2B([a-z\d/]+)-/gi, (_, base64) => Buffer.from(base64, 'base64').swap16().toString('utf16le'));
}

/** Returns every path that a request target can be normalized to, by all sequences of `NORMALIZATIONS`. */
function normalizedForms(target) {
  const seen = new Set([target]);
  for (const form of seen) {
    for (const normalize of NORMALIZATIONS) seen.add(normalize(form));
    if (seen.size > 5000) throw new Error(`${target} has too many normalized forms`);
  }
  return [...seen];
}

const NORMALIZATIONS = [
  // `new URL(target, base)` drops the authority of an absolute target and of `//host/path`.
  (text) => text.replace(/^([a-z]+:)?\/\/[^/?#\\]*/i, ''),
  // The parser skips further slashes before the host.
  (text) => text.replace(/^\/{2,}[^/?#\\]+/, ''),
  (text) => text.split(/[?#\0]/)[0],
  // Fastify reads the text after the first `;` as the query.
  (text) => text.split(';')[0],
  // Bottle ignores bytes that are not UTF-8.
  (text) => text.replaceAll('\ufffd', ''),
  decode,
  (text) => text.replaceAll('\\', '/'),
  // In a glob pattern of Caddy, `\` escapes the next character.
  (text) => text.replaceAll('\\', ''),
  (text) => text.replace(/;[^/]*/g, ''),
  (text) => text.replace(/\/{2,}/g, '/'),
  removeDotSegments,
  (text) => text.replace(/[\x00-\x1f\x7f]/g, ''),
  (text) => text.replace(/[ ./]+$/, ''),
  // Windows ignores spaces and dots at the end of a folder's name.
  (text) => text.replace(/(?<=[^./])[ .]+(?=\/)/g, ''),
  // nginx with `location /x { alias /data/x/; }` opens `/data/x/../y` for `/x../y`.
  (text) => text.replace(/^\/[^/]+\.\.(?=\/)/, ''),
  (text) => text.toLowerCase(),
  // Java's `equalsIgnoreCase`, Go's `EqualFold` and `(?i)` in regular expressions equate some Unicode letters with ASCII letters.
  (text) => text.replaceAll('İ', 'i').toUpperCase().toLowerCase(),
  (text) => text.replace(/\/[^/]*\.(php|py|cgi|pl|aspx|jsp)(?=\/)/, ''),
  (text) => text.replace(/(\.(php|py|cgi|pl|aspx|jsp))\/.*/, '$1'),
  // Rails and Spring serve `/x` for `/x.json`, and for `/x` with any other extension.
  (text) => text.replace(/(?<=[^/])\.[^/]*$/, ''),
  // The data of a page, and an image through an optimizer.
  (text) => text.replace(/\/(__data\.json|_payload\.json|q-data\.json|_\.data)$/i, ''),
  (text) => text.replace(/\/_next\/data\/[^/]+(?=\/.*\.json$)/i, ''),
  (text) => text.replace(/\/page-data(?=\/)(.*)\/page-data\.json$/, '$1'),
  (text) => text.replace(/\/_ipx\/[^/]+(?=\/)/, ''),
  (text) => text.replace(/\/_nuxt\/static\/[^/]+(?=\/)(.*)\/payload\.js$/, '$1'),
  // Caddy ends the name of the script after the first `.php`.
  (text) => text.replace(/(\.php).+/i, '$1'),
  (text) => text.replace(/\/(index|default)\.[^/]*$/, ''),
  // ASP.NET stores a session in a segment such as `(S(x))`.
  (text) => text.replace(/\/\([a-z]\([^/]*?\)\)/gi, ''),
  // Some frameworks and file systems normalize Unicode. Windows maps other slashes to `/`.
  (text) => text.normalize('NFKC'),
  (text) => text.replace(/[\u2044\u2215]/g, '/'),
  // A proxy may take a URL from the path.
  (text) => text.replace(/^\/(?=https?:\/\/)/, ''),
  // On Windows, the names `file` and `file::$DATA` open the same file.
  (text) => text.replace(/::\$data/gi, ''),
];

/** Percent-decodes a text once. Invalid escapes are left unchanged. */
function decode(text) {
  return text.replace(/(%[0-9a-f]{2})+/gi, (escapes) => Buffer.from(escapes.replaceAll('%', ''), 'hex').toString());
}

function removeDotSegments(text) {
  const kept = [];
  for (const name of text.split('/')) {
    if (name === '..') kept.length > 1 && kept.pop();
    else if (name !== '.') kept.push(name);
  }
  return kept.join('/');
}

/** Returns the query parameters in lower case, with names as in PHP: `a` for `a[]`; `a_b` for `a.b` and `a b`. */
function parameters(targets) {
  const pairs = targets.flatMap((target) => {
    const [path, ...query] = target.split('?');
    return [...query, ...decode(path).split('?').slice(1)].flatMap((part) => part.split(/[&;#]/));
  });
  return pairs.filter(Boolean).map((pair) => {
    // Nuxt skips `=` before a name.
    const [name, ...value] = pair.replace(/^=+/, '').split('=').map((part) => decode(decode(part.replaceAll('+', ' '))));
    const plain = name.toLowerCase().split(/[[\0:]/)[0].replace(/[\x00-\x1f\x7f]/g, '').trim();
    return { name: plain.replace(/[. ]/g, '_'), value: value.join('=').trim().toLowerCase() };
  });
}

/** Returns the values of each header in lower case, without parameters. Headers with the same CGI name are merged. */
function foldHeaders(headers) {
  const values = {};
  for (const [name, value] of Object.entries(headers)) {
    (values[normalizeName(name)] ??= []).push(...decodeWords(String(value)).toLowerCase().split(',').map((part) => part.split(';')[0].trim()));
  }
  return values;
}

/** Decodes the encoded words of RFC 2047. */
const decodeWords = (text) =>
  text.replace(/=\?utf-8\?([qb])\?(.*?)\?=/gi, (_, type, word) => (/b/i.test(type) ? Buffer.from(word, 'base64').toString() : word));

const normalizeName = (name) => name.toLowerCase().replace(/[^a-z0-9]/g, '-');
/** The headers from which this origin takes no path. It takes one from every other header with a value that is a path. */
const HARMLESS = ['hx-current-url', 'next-url', 'referer', 'x-goog-resource-uri'];
const URL_PARTS = ['x-forwarded-proto', 'x-forwarded-port', 'x-forwarded-protocol', 'x-forwarded-scheme', 'x-scheme'];
const OVERRIDES = ['x-http-method-override', 'x-http-method', 'x-method-override'];
