// Sends every known attempt to bypass a paywall, as raw bytes, to the Worker in front of a permissive origin: no attempt may get
// content that it did not pay for. As a control, all attempts except those in `withoutControl` are also sent directly to the
// origin, where each of these attempts must get priced content.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { pause } from '../../tools/lib/run.mjs';
import { buy, sendRaw } from './support/client.mjs';
import { startPermissiveOrigin } from './support/permissive_origin.mjs';
import { startPaywall } from './support/paywall.mjs';
import { startBareWorker } from './support/workerd.mjs';

const toll = {
  preflights: 'origin',
  routes: [
    { path: '/sold', sats: 5 },
    { path: '/kelvin', sats: 5 },
    { path: '/paid.php', sats: 5 },
    { path: '/report.py', sats: 5 },
    { path: '/users/:id', sats: 5 },
    { path: '/files/*', sats: 5 },
    { path: '/files/free', sats: 0 },
    { path: '/cheap/*', sats: 1 },
    { path: '/dear/report', sats: 100 },
    { path: '/hosted', host: '127.0.0.1', sats: 5 },
    { path: '/split', host: '127.0.0.1', sats: 5 },
    { path: '/split', host: 'localhost', sats: 0 },
    { path: '/posted', methods: ['POST'], sats: 5 },
    { path: '/posted', methods: ['GET'], sats: 0 },
    { path: '/report', price: [{ when: { query: { premium: '*' } }, sats: 50 }, { when: { query: { full_text: '*' } }, sats: 50 }, { sats: 10 }] },
    { path: '/clip', price: [{ when: { query: { quality: 'hd' } }, sats: 50 }, { sats: 10 }] },
    { path: '/video', price: [{ when: { header: { 'X-Quality': 'hd' } }, sats: 50 }, { sats: 10 }] },
    { path: '/upload', methods: ['POST'], sats_per_kib: 10 },
  ],
};

const { known, same_shape: sameShape } = JSON.parse(readFileSync(new URL('../vectors/rewriting_headers.json', import.meta.url)));
const rewritingHeaders = [...known.map(({ name }) => name), ...sameShape];
const HOST_HEADERS = ['x-forwarded-host', 'x-original-host', 'x-host', 'forwarded'];
const pathIs = (path) => (normalized) => normalized === path;
const hasQuery = (name, value) => ({ query }) => query.some((pair) => pair.name === name && (value === undefined || pair.value === value));
/** The priced resources of the origin. Expensive resources come first, because the origin serves the first resource that matches. */
const resources = [
  { name: 'dear report', matches: pathIs('/dear/report') },
  { name: 'premium report', matches: pathIs('/report'), when: hasQuery('premium') },
  { name: 'full report', matches: pathIs('/report'), when: hasQuery('full_text') },
  { name: 'clip in hd', matches: pathIs('/clip'), when: hasQuery('quality', 'hd') },
  { name: 'video in hd', matches: pathIs('/video'), when: ({ headers }) => headers['x-quality']?.includes('hd') },
  { name: 'upload of more than a KiB', matches: pathIs('/upload'), when: ({ bytes }) => bytes > 1024 },
  { name: 'report', matches: pathIs('/report') },
  { name: 'clip', matches: pathIs('/clip') },
  { name: 'video', matches: pathIs('/video') },
  { name: 'upload', matches: pathIs('/upload') },
  { name: 'posted', matches: pathIs('/posted'), when: ({ methods }) => methods.includes('POST') },
  { name: 'split', matches: pathIs('/split'), when: ({ headers }) => HOST_HEADERS.some((name) => headers[name]?.some((host) => host.includes('127.0.0.1'))) },
  { name: 'members', matches: pathIs('/members'), when: ({ headers }) => headers['x-toll-status']?.includes('paid') },
  ...['/sold', '/kelvin', '/paid.php', '/report.py', '/hosted'].map((path) => ({ name: path, matches: pathIs(path) })),
  { name: 'user', matches: (path) => /^\/users\/[^/]+$/.test(path) },
  { name: 'file', matches: (path) => /^\/files(\/|$)/.test(path) && path !== '/files/free' },
];

/** Request targets for which the permissive origin serves a priced resource. */
const targetVariants = {
  'double slash': [
    '//sold', '///sold', '/sold//', '//sold//', '/dear//report', '//dear///report', '/users//7', '//files/a', '//paid.php/x',
  ],
  backslash: [
    '/\\sold', '/dear\\report', '/users\\7', '/%5Csold', '/dear%5Creport', '/dear%255creport', '/users%5C7', '/files%5Ca',
    '/cheap/..\\dear\\report', '/x/..%5Csold', '/x%5C..%5Csold',
  ],
  dots: [
    '/./sold', '/x/../sold', '/../sold', '/sold/.', '/sold/x/..', '/cheap/../dear/report', '/files/free/../a', '/%2e/sold',
    '/x/%2e%2e/sold', '/x/.%2E/sold', '/sold/%2e', '/cheap/%2e%2e/dear/report', '/files/free/%2e%2e/a',
  ],
  // A3 (CHANGELOG)
  'Unicode variants of ASCII': [
    '/%EF%BD%93old', '/%EF%BC%B3OLD', '/sol%F0%9D%93%AD', '/%EF%BC%8Fsold', '/x/%EF%BC%8E%EF%BC%8E/sold', '/x/%E2%80%A5/sold',
    '/x%E2%81%84..%E2%81%84sold', '/x/%E2%80%A4%E2%80%A4%E2%88%95sold', '/%E2%93%A2old',
  ],
  // A3 (CHANGELOG)
  'semicolons before a slash': ['/sold;/x', '/sold;a/b', '/dear/report;/x'],
  'slashes before a host': ['///x/sold', '///u@x:1/sold', '/////h:1/sold'],
  'bytes that are not UTF-8': ['/s%FFold', '/%FFsold', '/sold%E0%A4', '/so%80ld'],
  'sessions and URLs in the path': ['/so/(S(x))ld', '/(A(b))/(S(x))/sold', '/http://x/sold', '/https:%2F%2Fx%2Fsold'],
  'encoded dots': [
    '/x/%252e%252e/sold', '/x/%252e./sold', '/%25%32%65%25%32%65/sold', '/x%2F..%2Fsold', '/x%2f%2e%2e%2fsold',
    '/x%252F..%252Fsold', '/cheap/x%2F..%2F..%2Fdear%2Freport', '/cheap%2F..%2Fdear%2Freport', '/files/free%2F..%2Fa',
    '/_toll/health%2F..%2F..%2Fsold', '/.well-known/l402%2F..%2F..%2Fsold',
  ],
  'dots with parameters': [
    '/x/..;/sold', '/x/..;a=b/sold', '/x/%2e%2e;/sold', '/x/..%3B/sold', '/x/..%253b/sold', '/.;/sold', '/dear/.;x/report',
    '/cheap/..;/dear/report', '/_toll/health/..;/..;/sold', '/dear/x;%2F..%2Freport',
  ],
  'encoded slash': [
    '/%2Fsold', '/%2fsold', '/sold%2F', '/sold%2f%2f', '/dear%2Freport', '/dear%2freport', '/dear%252Freport',
    '/dear%25252freport', '/%2F%2Fsold', '/users%2F7', '/files%2Fa',
  ],
  'encoded letters': [
    '/so%6cd', '/s%6Fld', '/%73%6f%6c%64', '/so%256cd', '/so%25256cd', '/so%25%36%63d', '/d%65ar/report', '/us%65rs/7',
    '/fil%65s/a', '/paid%2Ephp',
  ],
  'control characters': [
    '/sold%00', '/sold%00.png', '/sold%2500', '/so%00ld', '/sold%0d%0a', '/so%0ald', '/%09sold', '/sold%01', '/sold%7f',
    '/dear/%00report', '/sold%0A%20',
  ],
  'broken escapes': [
    '/sol%64%zz/..%2f..%2fsold', '/sold%00%2', '/sold%3F%zz', '/sold;%', '/%2/..%2fsold', '/sold%23%C0%AF', '/sold%3f%ff',
  ],
  case: [
    '/SOLD', '/Sold', '/sOld', '/S%4FLD', '/DEAR/report', '/dear/REPORT', '/Users/7', '/FILES/a', '/%E2%84%AAelvin',
    '/%e2%84%aaELVIN', '/PAID.PHP',
  ],
  'trailing characters': [
    '/sold/', '/sold.', '/sold..', '/sold%20', '/sold%20%20', '/sold%2e', '/sold/%20', '/sold%20/', '/sold%2520',
    '/dear/report/', '/users/7/', '/sold./', '/files/',
  ],
  parameters: [
    '/sold;', '/sold;x=1', '/sold;jsessionid=1', '/sold%3Bx', '/sold%253Bx', '/;x/sold', '/;/sold', '/dear;x/report',
    '/dear/;x/report', '/dear;a=b;c/report;d', '/users;x/7', '/sold;x.', '/sold/;x',
  ],
  'query and fragment in the path': [
    '/sold%3F', '/sold%3Fx=1', '/sold%23', '/sold%23x', '/sold%253Fx', '/sold%2523', '/dear/report%3f/x', '/sold#',
    '/sold#/../x', '/sold#?x', '/sold?x#y', '/sold?', '/sold??', '/x%3F/../sold',
  ],
  'segments that the most permissive normalization drops': [
    '/users%2F;7', '/users%2F%237', '/users%2F%3F7', '/us%65rs/%20', '/us%65rs/a%5Cb', '/us%65rs/a%252Fb',
  ],
  'front controllers and PATH_INFO': [
    '/index.php/sold', '/INDEX.PHP/sold', '/index.php//sold', '/index.php%2Fsold', '/index%2Ephp/sold', '/index.php/so%6cd',
    '/index.php;x/sold', '/paid.php/x', '/paid.php/', '/paid.php%2Fx', '/paid.php/x/y.css', '/paid%2ephp/x', '/PAID.php/x',
    '/paid.php/index.php',
  ],
  // Attack A3 (CHANGELOG): paid content is requested through the name of a script or an index file, for example.
  'scripts, index files, sessions and streams': [
    '/report.py/x', '/report.py/', '/report.PY/x/y.css', '/report%2Epy/x', '/x.cgi/sold', '/cgi-bin/x.pl/../../x.jsp/sold', '/x.aspx/dear/report',
    '/sold/index.xhtml', '/sold/default.htm', '/sold/Default.html', '/dear/report/index.phtml', '/(S(x))/sold', '/dear/(A(1))/report',
    '/(s(x)%29/sold', '/sold::$DATA', '/sold::$data', '/so%6cd%3A%3A$DATA', '/report.py::$DATA',
  ],
  'a host in the path': ['//x/sold', '//127.0.0.1:1/dear/report', '//x/users/7'],
  'parameters with an encoded slash': [
    '/sol%64;%2Fx', '/dear/r%65port;%2Fx', '/sol%64;%3Bx%2Fy', '/sol%64;x=%2Fy', '/paid%2Ephp;%2Fx', '/kelvi%6e;%5cx',
  ],
  'front controllers in folders': [
    '//index.php/sold', '/x/..//index.php/sold', '/dear/index.php/report', '/dear/index.php//report', '/users/index.php/7',
  ],
  'escaped letters': ['/so%5Cld', '/%5Cs%5Co%5Cl%5Cd', '/dear/rep%5cort', '/u%5Csers/7', '/so%255Cld'],
  // A3 (CHANGELOG): SvelteKit, Nuxt, Qwik, React Router, Next.js and Gatsby have a path of its own for the data of each page.
  'data of a page': [
    '/sold/__data.json', '/dear/report/__data.json', '/users/7/__data.json', '/sold/_payload.json', '/sold/q-data.json', '/sold/_.data',
    '/sold//__DATA%2ejson', '/_next/data/build/sold.json', '/_next/data/build/dear/report.json', '/docs/../_next/data/build/so%6cd.json',
    '/page-data/sold/page-data.json', '/_ipx/w_200/sold', '/_nuxt/static/1618/sold/payload.js',
  ],
  'extensions': ['/sold.json', '/sold.x', '/dear/report.xml', '/dear/report.a.b', '/SOLD%2EJSON', '/sold.json/', '/kelvin.:x'],
  'names that begin with a script': ['/paid.php.x', '/paid.phpx', '/paid.php.json/index.php', '/PAID.PHP5/y.php', '/paid%2Ephp%2Ex'],
  'folders with a trailing dot or space': ['/dear./report', '/dear%20/report', '/dear../report', '/dear%2e/report'],
  // A3 (CHANGELOG): an alias of nginx without a slash at its end.
  'dots after a name': ['/static../sold', '/static%2e%2e/sold', '/static..%2fdear/report', '/static../files/a', '/s..%5Csold'],
  'letters with the same case folding': ['/%C5%BFold', '/kelv%C4%B0n', '/kelv%C4%B1n', '/u%C5%BFers/7'],
  'absolute targets': [
    'http://127.0.0.1:{port}/sold', 'http://127.0.0.1/sold', 'http://other.example/sold', 'https://127.0.0.1:{port}/sold',
    'HTTP://127.0.0.1:{port}/sold', 'http://user:password@127.0.0.1:{port}/sold', 'http://127.0.0.1:{port}//sold',
    'http://127.0.0.1:{port}/%2Fsold', 'http://127.0.0.1:{port}/x/..%2Fsold', 'http://localhost/hosted',
    'ftp://127.0.0.1/sold',
  ],
};

const websocket = ['Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==', 'Sec-WebSocket-Version: 13'];
const upload = { method: 'POST', target: '/upload', paidFor: 'upload' };
const body = (length = 4) => [`Content-Length: ${length}`];
const otherAttempts = {
  methods: [
    ...['HEAD', 'OPTIONS', 'PUT', 'DELETE', 'PATCH', 'PROPFIND', 'QUERY'].map((method) => ({ method, target: '/sold' })),
    { method: 'HEAD', target: '/dear/report' },
    { method: 'POST', target: '/sold', headers: body(), body: 'body' },
    { method: 'GET', target: '/sold', headers: body(), body: 'body' },
    ...[
      'X-HTTP-Method-Override', 'X-HTTP-Method', 'X-Method-Override', 'X_HTTP_Method_Override', 'x-http-method_override',
    ].map((name) => ({ target: '/posted', headers: [`${name}: POST`] })),
    // Some frameworks take the method from the query.
    ...['?_method=POST', '?_method=post', '?x=1&_method=POST'].map((query) => ({ target: `/posted${query}` })),
    { method: 'HEAD', target: '/posted', headers: ['X-HTTP-Method-Override: POST'] },
    { method: 'OPTIONS', target: '/sold', headers: ['Origin: https://example.org'] },
    { method: 'OPTIONS', target: '/sold', headers: ['Access-Control-Request-Headers: authorization'] },
    { method: 'OPTIONS', target: '/sold', headers: ['Access_Control_Request_Method: GET'] },
    { method: 'OPTIONS', target: '/sold', headers: ['Access-Control-Request-Method: GET', 'Origin: https://example.org'], isPreflight: true },
    { method: 'OPTIONS', target: '/sold', headers: ['Access-Control-Request-Method: GET', ...body()], body: 'body', isPreflight: true },
    { method: 'OPTIONS', target: '/posted', headers: ['Access-Control-Request-Method: POST', 'X-HTTP-Method-Override: POST'] },
  ],
  'host header': [
    ...[
      '127.0.0.1.:{port}', '127.0.0.1', '127.0.0.1:1', '127.1:{port}', '0x7f.1', '2130706433', '[::1]', '[::ffff:127.0.0.1]',
      'localhost', 'LOCALHOST:{port}', 'localhost.', 'other.example',
    ].map((host) => ({ target: '/hosted', host })),
    ...['LOCALHOST', '127.0.0.1.', 'other.example', 'OTHER.example.:443'].map((host) => ({ target: '/sold', host })),
    ...[
      '127.0.0.1/free?', '127.0.0.1#', 'user@127.0.0.1', '127.0.0.1\\free', '127.0.0.1/_toll/health?',
      '127.0.0.1/.well-known/l402?',
    ].map((host) => ({ target: '/sold', host })),
  ],
  'forwarded hosts': HOST_HEADERS.map((name) => ({
    target: '/split',
    host: 'localhost:{port}',
    headers: [`${name}: ${name === 'forwarded' ? 'host=' : ''}127.0.0.1`],
  })),
  'rewriting headers': [
    ...[
      'X-Original-URL', 'X-Rewrite-URL', 'X-Original-URI', 'X-Forwarded-Uri', 'X-Forwarded-Path', 'X_Original_URL',
      'x-rewrite_url', 'X.Original.URL', 'Path-Info', 'PATH_INFO',
    ].map((name) => ({ target: '/free', headers: [`${name}: /sold`] })),
    ...[
      'X-Forwarded-Prefix', 'X-Script-Name', 'Script-Name', 'X_Forwarded_Prefix',
    ].map((name) => ({ target: '/report', headers: [`${name}: /dear`] })),
    // Attack A1 (CHANGELOG): headers that may replace the path, host, query or method at some origin, and headers with
    // similar names.
    ...rewritingHeaders.map((name) => ({ target: '/free', headers: [`${name}: /sold`] })),
    // A1 (CHANGELOG): headers that some origins write into the URL of the request.
    ...[
      'X-Forwarded-Proto: x://y/sold?', 'X-Forwarded-Port: 80/sold?', 'X-Forwarded-Port: 80/sold#', 'X-Forwarded-Scheme: http://x/sold?',
      'X-Forwarded-Protocol: http://x/sold?', 'X-Scheme: http://x/sold?',
    ].map((header) => ({ target: '/free', headers: [header] })),
    { target: '/free', headers: ['X-Original-URL: /free', 'X-Original-URL: /sold'] },
    { method: 'POST', target: '/free', headers: ['X-Original-URL: /dear/report', ...body()], body: 'body' },
  ],
  'forged status': [
    ...[
      'X-Toll-Status', 'x-toll-status', 'X_Toll_Status', 'X-Toll_Status', 'X.Toll.Status', 'X-TOLL.STATUS',
    ].map((name) => ({ target: '/members', headers: [`${name}: paid`] })),
    { target: '/members', headers: ['X-Toll-Status: open', 'X_Toll_Status: paid'] },
    { target: '/sold', headers: ['X-Toll-Status: paid', 'X-Toll-Amount-Sats: 1000', 'X-Toll-Hop: 1'] },
    { target: '/sold', headers: ['X-Forwarded-For: 127.0.0.1', 'X-Forwarded-Proto: https', 'X-Forwarded-Host: localhost', 'CF-Connecting-IP: 127.0.0.1'] },
    ...[
      'Sec-Purpose: prefetch', 'Purpose: prefetch', 'Range: bytes=0-', 'If-None-Match: *', 'Cache-Control: only-if-cached',
      'Connection: Authorization', 'Accept: text/html',
    ].map((header) => ({ target: '/sold', headers: [header] })),
  ],
  upgrade: [
    ...['/sold', '//sold', '/so%6cd', '/dear/report'].map((target) => ({ target, headers: websocket })),
    { target: '/free', headers: [...websocket, 'X-Original-URL: /sold'] },
    { target: '/sold', headers: ['Upgrade: websocket'] },
  ],
  'premium query, with a credential for the plain one': [
    '?premium', '?premium=', '?premium=1', '?premium=0', '?%70remium=1', '?pre%6Dium=1', '?%2570remium=1', '?PREMIUM=1',
    '?Premium=1', '?premium[]=1', '?premium%5B%5D=1', '?premium[a]=1', '?+premium=1', '?%20premium=1', '?premium+=1',
    '?premium%20=1', '?premium%00=1', '?premium%00x=1', '?pre%0amium=1', '?premium%09=1', '?x;premium=1', '?x=1;premium=1',
    '?x=1&amp;premium=1', '??premium=1', '?x?premium=1', '?&&premium=1', '?x=1&premium', '?premium=1&premium=1',
    '?premium=1&Premium=1', '?premium=1#x', '?x=%26&premium=1', '%3Fpremium=1', ';x?premium=1', '/?premium=1',
    '?=premium=1', '?==premium', '?full_text=1', '?full.text=1', '?full+text=1', '?full%20text=1', '?full%2Etext=1', '?FULL.TEXT=1', '?full_text[]=1',
    '?x=1&full+text', '?full%5Ftext=1', '?x;full.text',
  ].map((query) => ({ target: `/report${query}`, paidFor: 'report' })),
  'query value, with a credential for another value': [
    'hd', 'HD', 'h%64', 'h%2564', '%68%64', 'hd+', '+hd', 'hd%20', '%20hd', 'hd%09', 'hd;', 'hd?', 'hd?x', 'hd&quality=sd', 'sd&quality=hd',
    'hd;quality=sd', 'sd;quality=hd', 'sd&quality[]=hd', 'sd&QUALITY=hd', 'sd&+quality=hd', '&quality=hd',
  ].map((value) => ({ target: `/clip?quality=${value}`, paidFor: 'clip' })),
  // A3 (CHANGELOG): Zope takes a path from the name or the value of a parameter, and image optimizers read an image at a path.
  'paths in the query': [
    '/?sold:method=1', '/?:method=sold', '/dear?report:action=1', '/?dear%2Freport:default_method', '/?x=1&sold:utf8:method',
    '/_next/image?url=%2Fsold&w=640&q=75', '/.netlify/images?url=/sold', '/_image?href=/dear/report',
  ].map((target) => ({ target })),
  // A4 (CHANGELOG): Django decodes the query with the charset of the body. Zope removes types after a name.
  'charsets and types of parameters, with a credential for the plain report': [
    ...[
      'text/plain; charset=utf-7', 'text/plain; Charset="UTF-7"', 'text/plain; charset=utf-8; charset=utf-7',
    ].map((type) => ({ target: '/report?%2BAHA-remium=1', headers: [`Content-Type: ${type}`] })),
    ...['?premium:int=1', '?premium:utf8:ustring=1', '?premium%3Alist=1'].map((query) => ({ target: `/report${query}` })),
  ].map((attempt) => ({ ...attempt, paidFor: 'report' })),
  'queries in rewriting headers': [
    'X-Original-URL', 'X-Rewrite-URL', 'X_Rewrite_URL',
  ].map((name) => ({ target: '/report', headers: [`${name}: /report?premium=1`], paidFor: 'report' })),
  'header that raises the price, with a credential for the cheap variant': [
    ['X-Quality: hd'], ['x-quality: HD'], ['X-QUALITY:hd'], ['X-Quality:\thd\t'], ['X-Quality: hd, sd'], ['X-Quality: sd,hd'],
    ['X-Quality: sd', 'X-Quality: hd'], ['X-Quality: hd', 'X-Quality: sd'], ['X-Quality:', 'X-Quality: hd'],
    ['X_Quality: hd'], ['X.Quality: hd'], ['x_quality: HD', 'X-Quality: sd'], ['X-Quality: ,hd'], ['X-Quality: hd;q=1'],
    // CherryPy decodes encoded words (RFC 2047).
    ['X-Quality: =?utf-8?q?hd?='], ['X-Quality: =?UTF-8?B?aGQ=?='],
    ['X-Quality: hd', 'Connection: X-Quality'], ['X-Quality: hd\xa0'], ['X-Quality: \xa0hd'],
  ].map((headers) => ({ target: '/video', headers, paidFor: 'video' })),
  'body larger than the paid length': [
    { headers: body(4096), body: 'x'.repeat(4096) },
    { headers: body('04096'), body: 'x'.repeat(4096) },
    { headers: body(' 4096 '), body: 'x'.repeat(4096) },
    { headers: body('4096\t'), body: 'x'.repeat(4096) },
    { headers: ['Transfer-Encoding: chunked'], body: chunked(4096) },
    { headers: ['Transfer-Encoding: Chunked'], body: chunked(4096) },
    { headers: ['Transfer-Encoding: chunked', 'Content_Length: 10'], body: chunked(4096) },
    { headers: [...body(4096), 'Expect: 100-continue'], body: 'x'.repeat(4096) },
    { headers: [...body(4096), 'Content_Length: 10', 'X-Content-Length: 10'], body: 'x'.repeat(4096) },
  ].map((attempt) => ({ ...upload, ...attempt })),
};

/** Attempts that have no control: Node's HTTP parser rejects them, or the origin serves no priced resource for them. */
const withoutControl = [
  ...[
    'get', 'Get', 'post', 'FOO', 'GETX', 'G%45T', '',
  ].map((method) => ({ family: 'methods', method, target: '/sold', reason: 'Node rejects the method' })),
  { family: 'methods', method: 'CONNECT', target: '/sold', reason: 'Node closes a CONNECT request without a response' },
  { family: 'methods', method: 'CONNECT', target: '127.0.0.1:{port}', reason: 'Node closes a CONNECT request without a response' },
  { family: 'methods', method: 'TRACE', target: '/posted', headers: ['X-HTTP-Method-Override: POST'], reason: 'no origin applies a method override to TRACE' },
  { family: 'upgrade', method: 'POST', target: '/sold', headers: websocket, reason: 'only GET opens a WebSocket' },
  { family: 'upgrade', headers: [...websocket, ...body(4096)], body: 'x'.repeat(4096), reason: 'only GET opens a WebSocket' },
  { family: 'upgrade', target: '/sold', headers: ['Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA'], reason: 'this Node server does not support HTTP/2' },
  ...[
    '\\sold', 'http://127.0.0.1:{port}\\sold',
  ].map((target) => ({ family: 'backslash', target, reason: 'Node rejects a backslash at the start of a path' })),
  ...[
    '/so ld', '/sold ', ' /sold', '/sold\x00', '/sold\t', '/s\x7fold',
  ].map((target) => ({ family: 'raw characters', target, reason: 'Node rejects these characters in a target' })),
  ...[
    '/%C0%AFsold', '/x%C0%AF..%C0%AFsold', '/%E0%80%AFsold', '/so%C1%ACd', '/%c0%ae%c0%ae/sold', '/%F0%80%80%AFsold',
  ].map((target) => ({ family: 'overlong UTF-8', target, reason: 'no current decoder accepts it' })),
  ...[
    '/%uff53old', '/%u002fsold', '/so%u006cd',
  ].map((target) => ({ family: '%u escapes', target, reason: 'no current decoder accepts them' })),
  ...[
    '/sold%zz', '/sold%2', '/sold%', '/%zz/sold', '/so%%6cd',
  ].map((target) => ({ family: 'broken escapes', target, reason: 'invalid escapes stay part of the segment' })),
  ...[
    'sold', '*', '', '?sold', '#/sold', ':80/sold', '@127.0.0.1/sold', 'http:/sold', 'http:sold', 'http:///sold',
  ].map((target) => ({ family: 'invalid targets', target, reason: 'Node rejects them, or they match no priced path' })),
  { family: 'host header', target: '/sold', hosts: ['127.0.0.1:{port}', 'localhost'], reason: 'Node rejects a second Host header' },
  { family: 'host header', target: '/hosted', hosts: ['localhost', '127.0.0.1:{port}'], reason: 'Node rejects a second Host header' },
  { family: 'host header', target: '/sold', hosts: [], reason: 'Node requires a Host header' },
  { family: 'host header', target: '/sold', hosts: [''], reason: 'it affects only the URL that the Worker receives' },
  ...[
    ['X-Quality : hd'], ['X-Quality: sd\r\n hd'], ['X-Quality: sd,\r\n\thd'], ['X-Quality: hd\x00'],
    ['X-Quality: sd\rX-Quality: hd'],
  ].map((headers) => ({ family: 'header syntax', target: '/video', headers, paidFor: 'video', reason: 'Node rejects it, or joins the lines' })),
  ...[
    ['Content-Length: 10', 'Transfer-Encoding: chunked'], ['Transfer-Encoding: chunked', 'Content-Length: 10'],
    ['Content-Length: 4096', 'Content-Length: 10', 'Transfer-Encoding: chunked'],
    ['Transfer-Encoding: identity, chunked', 'Content-Length: 10'], ['Transfer-Encoding: xchunked', 'Content-Length: 10'],
    ['Transfer-Encoding : chunked', 'Content-Length: 10'],
    ['Transfer-Encoding: chunked', 'Transfer-Encoding: identity', 'Content-Length: 10'],
    ['Transfer-Encoding:\x0bchunked', 'Content-Length: 10'], ['Transfer_Encoding: chunked', 'Content-Length: 10'],
    ['Transfer-Encoding: identity'],
  ].map((headers) => ({ family: 'conflicting lengths', headers, body: chunked(4096) })),
  { family: 'conflicting lengths', headers: ['Transfer-Encoding: chunked', 'Trailer: Content-Length'], body: chunked(4096, 'Content-Length: 10\r\n') },
  ...[
    ['10', '4096'], ['4096', '10'], ['10', '10'], ['10, 4096'], ['10, 10'],
  ].map((lengths) => ({ family: 'conflicting lengths', headers: lengths.map((length) => `Content-Length: ${length}`), body: 'x'.repeat(4096) })),
  ...[
    '10', '+10', '-1', '0x10', '1e1', '10;', '1 0', '"10"', '0', '', '1024.0', '18446744073709551626', '4294967306',
    '99999999999999999999999', '٣',
  ].map((length) => ({ family: 'wrong or invalid lengths', headers: body(length), body: 'x'.repeat(4096) })),
  { family: 'wrong or invalid lengths', headers: [], body: 'x'.repeat(4096) },
  { family: 'wrong or invalid lengths', headers: ['Content-Length : 10'], body: 'x'.repeat(4096) },
  { family: 'wrong or invalid lengths', headers: body('10\r\n 96'), body: 'x'.repeat(4096) },
].map((attempt) => (attempt.target === undefined ? { ...upload, reason: 'Node reads the announced length, or rejects the request', ...attempt } : attempt));

const flatten = (families) => Object.entries(families).flatMap(([family, list]) => list.map((attempt) => ({ family, ...attempt })));
const pathAttempts = flatten(Object.fromEntries(Object.entries(targetVariants).map(([family, targets]) => [family, targets.map((target) => ({ target }))])));
const withControl = [...pathAttempts, ...flatten(otherAttempts)];
const attempts = [...withControl, ...withoutControl];

let origin;
const workers = {};
before(async () => {
  origin = await startPermissiveOrigin(resources);
  const vars = { ORIGIN_URL: origin.url };
  const [proxied, bare] = await Promise.all([startPaywall({ toll, vars }), startBareWorker({ toll, vars })]);
  Object.assign(workers, { 'wrangler dev': proxied.url, 'bare workerd': bare.url });
});
after(() => origin.close());

function chunked(length, trailer = '') {
  return `${length.toString(16)}\r\n${'x'.repeat(length)}\r\n0\r\n${trailer}\r\n`;
}

/** Returns the text of an HTTP/1.1 request. */
function serialize(base, { method = 'GET', target, host = '127.0.0.1:{port}', hosts = [host], headers = [], body = '' }, extraHeaders) {
  const lines = [`${method} ${target} HTTP/1.1`, ...hosts.map((host) => `Host: ${host}`), ...headers, ...extraHeaders];
  return `${lines.join('\r\n').replaceAll('{port}', new URL(base).port)}\r\n\r\n${body}`;
}

const describe = ({ family, method = 'GET', target, host, hosts, headers = [], body = '' }) =>
  JSON.stringify([family, `${method} ${target}`, ...(hosts ?? (host ? [host] : [])), ...headers, body.slice(0, 12)]);

/**
 * Sends a list of attempts, six at a time. Returns for each attempt the response and the resources that the origin served.
 * `unattributed` has the resources that the origin served for none of these attempts.
 */
async function sendAll(base, list, credentials = {}) {
  const [answers, queue] = [[], [...list.entries()]];
  origin.served.length = 0;
  const worker = async () => {
    for (let next = queue.shift(); next; next = queue.shift()) {
      const [id, attempt] = next;
      const extraHeaders = [`X-Attempt: ${id}`];
      if (credentials[attempt.paidFor]) extraHeaders.push(`Authorization: ${credentials[attempt.paidFor]}`);
      answers[id] = await sendRaw(base, serialize(base, attempt, extraHeaders));
    }
  };
  await Promise.all(Array.from({ length: 6 }, worker));
  // A request whose response the client no longer waits for may still arrive at the origin.
  await pause(500);
  const served = origin.served.splice(0);
  const unattributed = served.filter(({ attempt }) => !list[attempt]);
  const servedFor = (id) => served.filter(({ attempt }) => attempt === String(id)).map(({ resource }) => resource);
  return { unattributed, results: list.map((attempt, id) => ({ attempt, ...answers[id], served: servedFor(id) })) };
}

const buyAll = async (url) => ({
  report: (await buy(url, '/report')).standard,
  clip: (await buy(url, '/clip')).standard,
  video: (await buy(url, '/video')).standard,
  upload: (await buy(url, '/upload', { method: 'POST', body: 'x' })).standard,
});

test('The lists of bypass attempts have at least 187 request targets, 362 attempts with a control and 88 attempts without a control', () => {
  const count = (list) => new Set(list.map(({ family, reason, ...sent }) => JSON.stringify(sent))).size;
  assert.ok(count(pathAttempts) >= 187, `${count(pathAttempts)} request targets`);
  assert.ok(count(withControl) >= 362, `${count(withControl)} attempts with control`);
  assert.ok(count(withoutControl) >= 88, `${count(withoutControl)} attempts without control`);
});

test('Control: a bypass attempt that is sent directly to the origin gets a priced resource, unless it is listed as an attempt without a control', async () => {
  const { results } = await sendAll(origin.url, withControl);
  const failed = results.filter(({ attempt, text, served }) => {
    const unpaid = served.filter((resource) => resource !== attempt.paidFor);
    return !unpaid.some((resource) => text.includes(`${origin.secret} ${resource}`));
  });
  assert.deepEqual(failed.map(({ attempt, status, served }) => [describe(attempt), status, ...served]), []);
});

for (const name of ['wrangler dev', 'bare workerd']) {
  test(`Behind the Worker in ${name}, no bypass attempt gets a resource that it did not pay for`, async () => {
    const url = workers[name];
    const { unattributed, results } = await sendAll(url, attempts, await buyAll(url));
    const received = ({ attempt, text }) => resources.some(({ name }) => name !== attempt.paidFor && text.includes(`${origin.secret} ${name}`));
    const reachedOrigin = ({ attempt, served }) => !attempt.isPreflight && served.some((resource) => resource !== attempt.paidFor);
    const bypassed = results.filter((result) => received(result) || reachedOrigin(result));
    assert.deepEqual(bypassed.map(({ attempt, status, served }) => [describe(attempt), status, ...served]), []);
    assert.deepEqual(unattributed, []);
    const unanswered = results.filter(({ attempt, status }) => withControl.includes(attempt) && !status);
    assert.deepEqual(unanswered.map(({ attempt }) => describe(attempt)), []);
    const notRefused = results.filter(({ attempt, status }) => pathAttempts.includes(attempt) && ![400, 402, 404, 421].includes(status));
    assert.deepEqual(notRefused.map(({ attempt, status }) => [describe(attempt), status]), []);
  });

  test(`Behind the Worker in ${name}, a paid resource is served`, async () => {
    const url = workers[name];
    for (const [path, resource, options = {}] of [
      ['/sold', '/sold'],
      ['/dear/report', 'dear report'],
      ['/users/7', 'user'],
      ['/files/a', 'file'],
      ['/hosted', '/hosted'],
      ['/report', 'report'],
      ['/report?premium=1', 'premium report'],
      ['/report?full_text=1', 'full report'],
      ['/clip?quality=hd', 'clip in hd'],
      ['/video', 'video in hd', { headers: { 'X-Quality': 'hd' } }],
      ['/upload', 'upload of more than a KiB', { method: 'POST', body: 'x'.repeat(4096) }],
      ['/posted', 'posted', { method: 'POST', body: 'x' }],
    ]) {
      const { standard } = await buy(url, path, options);
      const { headers = {}, body = '' } = options;
      const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
      const paid = { ...options, target: path, headers: [...lines, `Content-Length: ${body.length}`] };
      const { status, text } = await sendRaw(url, serialize(url, paid, [`Authorization: ${standard}`]));
      assert.equal(status, 200, path);
      assert.ok(text.includes(`${origin.secret} ${resource}`), path);
    }
  });
}
