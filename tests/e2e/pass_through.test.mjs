// Requests and responses with unusual headers and bodies, for each kind of origin. The table in docs/origins.md records the results. A
// Worker that only forwards requests shows what the runtime itself changes; edgetoll must change no more than it says.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { brotliCompressSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { send, sendRaw } from './support/client.mjs';
import { startTargets } from './support/origin_kinds.mjs';
import { startRawOrigin } from './support/raw_origin.mjs';

const bytesOf = (head, body = '') => Buffer.concat([Buffer.from(`HTTP/1.1 ${head.join('\r\n')}\r\n\r\n`, 'latin1'), Buffer.from(body)]);
const thenCloses = (bytes) => (connection) => connection.end(bytes);
// A runtime that decodes these bodies and encodes them again would change their bytes.
const body = 'a body that is worth compressing; '.repeat(60);
const encodings = { gzip: gzipSync(body, { level: 1 }), br: brotliCompressSync(body), zstd: zstdCompressSync(body), 'gzip, br': brotliCompressSync(gzipSync(body)), unknown: Buffer.from(body) };

/** Responses of the origin, and what the client receives through any of the Workers. */
const RESPONSES = {
  'several Set-Cookie': [
    bytesOf(['200 OK', 'Content-Length: 2', 'Set-Cookie: a=1; Expires=Fri, 01 Jan 2027 00:00:00 GMT', 'Set-Cookie: b=2; Path=/x', 'Set-Cookie: a=3'], 'ok'),
    /\r\nSet-Cookie: a=1; Expires=Fri, 01 Jan 2027 00:00:00 GMT\r\nSet-Cookie: b=2; Path=\/x\r\nSet-Cookie: a=3\r\n/,
  ],
  'a range': [bytesOf(['206 Partial Content', 'Content-Range: bytes 1-2/5', 'Content-Length: 2', 'ETag: "v1"'], 'bc'), /^HTTP\/1\.1 206 .*\r\nContent-Range: bytes 1-2\/5\r\n.*\r\n\r\nbc$/s],
  'a response with several ranges': [bytesOf(['206 Partial Content', 'Content-Type: multipart/byteranges; boundary=x', 'Content-Length: 9'], '--x--\r\n\r\n'), /\r\n\r\n--x--\r\n\r\n$/],
  'a range that cannot be satisfied': [bytesOf(['416 Range Not Satisfiable', 'Content-Range: bytes */5', 'Content-Length: 0']), /^HTTP\/1\.1 416 .*\r\nContent-Range: bytes \*\/5\r\n/s],
  'a response without changes': [bytesOf(['304 Not Modified', 'ETag: W/"v1"', 'Last-Modified: Thu, 01 Jan 2026 00:00:00 GMT']), /^HTTP\/1\.1 304 .*\r\nETag: W\/"v1"\r\n.*\r\n\r\n$/s],
  'a failed precondition': [bytesOf(['412 Precondition Failed', 'Content-Length: 0']), /^HTTP\/1\.1 412 /],
  'a response without content': [bytesOf(['204 No Content', 'X-A: b']), /^HTTP\/1\.1 204 No Content\r\n(?!.*(Length|Encoding)).*\r\n\r\n$/s],
  'an unknown status': [bytesOf(['299 Odd', 'Content-Length: 2'], 'ok'), /^HTTP\/1\.1 299 Odd\r\n/],
  'a response with trailers, which the runtime drops,': [bytesOf(['200 OK', 'Transfer-Encoding: chunked', 'Trailer: X-Sum'], '5\r\nhello\r\n0\r\nX-Sum: 42\r\n\r\n'), /^(?!.*X-Sum).*\r\n\r\n5\r\nhello\r\n0\r\n\r\n$/s],
  'a response after 103 Early Hints, which the runtime drops,': [
    Buffer.concat([bytesOf(['103 Early Hints', 'Link: </a.css>; rel=preload']), bytesOf(['200 OK', 'Content-Length: 2', 'Link: </b.css>; rel=preload'], 'ok')]),
    /^HTTP\/1\.1 200 (?!.*a\.css).*\r\nLink: <\/b\.css>; rel=preload\r\n/s,
  ],
  'a response with odd bytes in headers': [
    bytesOf(['200 OK', 'Content-Length: 2', 'X-Bytes: caf\xe9 \xc3\xa9 \x80\xff', 'X-Tab: a\tb', 'X-Control: a\x01b', 'X-Empty:', 'X-Twice: 1', 'X-Twice: 2', 'x-lower: 1', `X-Long: ${'x'.repeat(8_000)}`], 'ok'),
    /\r\nX-Bytes: caf\xe9 \xc3\xa9 \x80\xff\r\nX-Control: a\x01b\r\nX-Empty: *\r\nX-Long: x{8000}\r\nX-Tab: a\tb\r\nX-Twice: 1\r\nX-Twice: 2\r\nx-lower: 1\r\n/,
  ],
  'a body that ends with the connection': [thenCloses('HTTP/1.1 200 OK\r\n\r\nuntil the end'), /\r\n\r\nd\r\nuntil the end\r\n0\r\n\r\n$/i],
  'a response of HTTP/1.0': [thenCloses('HTTP/1.0 200 OK\r\nX-A: b\r\n\r\nold'), /^HTTP\/1\.1 200 .*\r\n\r\n3\r\nold\r\n0\r\n\r\n$/s],
  'a body that breaks off': [thenCloses('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf'), /\r\nContent-Length: 100\r\n.*\r\n\r\nhalf$/s],
  'a chunk that breaks off': [thenCloses('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n5\r\nhe'), /\r\n\r\n5\r\nhello\r\n(2\r\nhe\r\n)?$/],
};

/** Requests, and the head that the origin receives through any of the Workers. */
const REQUESTS = {
  'ranges and conditions': [
    { headers: ['Range: bytes=1-2, 4-', 'If-Range: "v1"', 'If-None-Match: W/"v1", "v2"', 'If-Modified-Since: Thu, 01 Jan 2026 00:00:00 GMT', 'If-Match: *'] },
    /\r\nRange: bytes=1-2, 4-\r\nIf-Match: \*\r\nIf-Modified-Since: Thu, 01 Jan 2026 00:00:00 GMT\r\nIf-None-Match: W\/"v1", "v2"\r\nIf-Range: "v1"\r\n/,
  ],
  'Accept-Encoding': [{ headers: ['Accept-Encoding: zstd;q=1, br, identity;q=0'] }, /\r\nAccept-Encoding: zstd;q=1, br, identity;q=0\r\n/],
  'odd bytes in headers': [
    { headers: ['X-Bytes: caf\xe9 \xc3\xa9 \x80\xff', 'X-Tab: a\tb', 'X-Control: a\x01b', 'X-Empty:', 'X-Twice: 1', 'X-Twice: 2', 'x-lower: 1'] },
    /\r\nX-Bytes: caf\xe9 \xc3\xa9 \x80\xff\r\nX-Control: a\x01b\r\nX-Empty: *\r\nX-Tab: a\tb\r\nX-Twice: 1\r\nX-Twice: 2\r\nx-lower: 1\r\n/,
  ],
  'two Cookie lines, which the runtime joins with a comma,': [{ headers: ['Cookie: a=1; b=2', 'Cookie: c=3'] }, /\r\nCookie: a=1; b=2, c=3\r\n/],
  'the headers of one connection, which the runtime drops,': [
    { headers: ['TE: trailers', 'Keep-Alive: timeout=5', 'X-Hop: 1'], connection: 'close, TE, X-Hop' },
    /^(?!.*\r\n(TE|Keep-Alive|Connection): )/s,
  ],
  'a Cache-Control of its own': [{ headers: ['Cache-Control: max-age=5'] }, /\r\nCache-Control: max-age=5\r\n/],
  'a body in chunks': [{ method: 'POST', headers: ['Transfer-Encoding: chunked'], body: '2\r\nhi\r\n0\r\n\r\n' }, /^POST .*\r\nTransfer-Encoding: chunked\r\n/s],
  'a body with trailers, which the runtime drops,': [{ method: 'POST', headers: ['Transfer-Encoding: chunked', 'Trailer: X-Sum'], body: '2\r\nhi\r\n0\r\nX-Sum: 42\r\n\r\n' }, /^POST (?!.*X-Sum)/s],
  'Expect: 100-continue, which the runtime answers,': [{ method: 'POST', headers: ['Expect: 100-continue', 'Content-Length: 2'], body: 'hi' }, /^POST .*\r\nContent-Length: 2\r\n/s],
  'an upgrade to HTTP/2, which the runtime ignores,': [{ headers: ['Upgrade: h2c', 'HTTP2-Settings: AAMAAABkAAQAAP__'], connection: 'close, Upgrade, HTTP2-Settings' }, /^GET \S+ HTTP\/1\.1\r\n(?!.*\r\nUpgrade: )/s],
};

/** What is not a response, so that the client gets 502. */
const FAULTS = {
  'a head that breaks off': thenCloses('HTTP/1.1 200 OK\r\nContent-'),
  'no HTTP': thenCloses('hello\r\n\r\n'),
  'a folded header': thenCloses('HTTP/1.1 200 OK\r\nX-A: a\r\n b\r\nContent-Length: 2\r\n\r\nok'),
  'two lengths': thenCloses('HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok!'),
  'the end of the connection': thenCloses(''),
  'a status beyond 599': bytesOf(['999 Odd', 'Content-Length: 2'], 'ok'),
};

let origin, forwarding, targets;
before(async () => {
  const answers = Object.entries({ ...FAULTS, ...Object.fromEntries(Object.entries(RESPONSES).map(([name, [answer]]) => [name, answer])) });
  for (const [name, bytes] of Object.entries(encodings)) answers.push([name, bytesOf(['200 OK', `Content-Encoding: ${name}`, 'Content-Type: text/plain', `Content-Length: ${bytes.length}`], bytes)]);
  // Reads the body, so that the next request does not begin with it.
  const readsBody = (connection) => connection.end(bytesOf(['200 OK', 'Content-Length: 2'], 'ok'));
  origin = await startRawOrigin(Object.fromEntries([...answers, ['request', readsBody]].flatMap(([name, answer]) => ['/', '/sold/'].map((prefix) => [prefix + encodeURIComponent(name), answer]))));
  ({ forwarding, targets } = await startTargets(origin.url));
});
after(() => origin.stop());

/** Sends a request to a target. Returns the whole response. */
async function exchange({ url, prefix, headers: own }, name, { method = 'GET', headers = [], connection = 'close', body = '' } = {}) {
  const lines = [`${method} ${prefix}${encodeURIComponent(name)} HTTP/1.1`, ...Object.entries(own).map((pair) => pair.join(': ')), `Connection: ${connection}`, ...headers];
  return (await sendRaw(url, `${lines.join('\r\n')}\r\n\r\n${body}`, { quietMs: 5_000 })).text;
}

/** Removes the lines that edgetoll adds to a paid response. */
const withoutOwn = (text) => text.replace(/^(Cache-Control: private|Vary: Authorization, .*|X-Toll-Expires: \d+)\r\n/gm, '');

for (const [name, [, expected]] of Object.entries(RESPONSES)) {
  test(`From each kind of origin, ${name} reaches the client as through a Worker that only forwards`, async () => {
    const forwarded = await exchange(forwarding, name);
    assert.match(forwarded, expected);
    for (const target of targets) {
      const text = await exchange(target, name);
      assert.equal(target.isPaid ? withoutOwn(text) : text, forwarded, target.name);
      if (target.isPaid) assert.match(text, /^Cache-Control: private\r\n/m, target.name);
    }
  });
}

for (const [name, bytes] of Object.entries(encodings)) {
  test(`A body with Content-Encoding: ${name} reaches the client byte for byte, whatever the client accepts`, async () => {
    for (const { url, prefix, headers, name: target } of [forwarding, ...targets]) {
      for (const accepted of ['gzip, br, zstd', 'identity']) {
        const answer = await send(url, prefix + encodeURIComponent(name), { headers: { ...headers, 'Accept-Encoding': accepted } });
        assert.deepEqual([answer.headers['content-encoding'], answer.headers['content-length']], [name, String(bytes.length)], target);
        assert.ok(answer.bytes.equals(bytes), target);
      }
    }
  });
}

for (const [name, [request, expected]] of Object.entries(REQUESTS)) {
  test(`To each kind of origin, a request with ${name} is sent as by a Worker that only forwards`, async () => {
    const headFrom = async (target) => {
      assert.match(await exchange(target, 'request', request), /HTTP\/1\.1 200 /, target.name);
      return origin.heads.at(-1);
    };
    const forwarded = await headFrom(forwarding);
    assert.match(forwarded, expected);
    for (const target of targets) {
      // A paid request asks all caches between the Worker and the origin for a new response.
      const own = target.isPaid ? /^(X-Toll-[\w-]+: .*|X-Forwarded-Host: .*|Cache-Control: no-cache|Pragma: no-cache)\r\n/gm : /^(X-Toll-[\w-]+|X-Forwarded-Host): .*\r\n/gm;
      const head = (await headFrom(target)).replace(' /sold/', ' /').replace(own, '');
      assert.equal(head, forwarded, target.name);
    }
  });
}

for (const name of Object.keys(FAULTS)) {
  test(`If an origin of any kind sends ${name}, the client gets 502`, async () => {
    for (const target of targets) {
      const { status, json, headers } = await send(target.url, target.prefix + encodeURIComponent(name), { headers: target.headers });
      assert.deepEqual([status, json().code, headers['cache-control']], [502, 'origin_unreachable', 'no-store'], target.name);
    }
  });
}

test('A connection that begins with HTTP/2 is closed, and nothing reaches the origin', async () => {
  const reached = origin.heads.length;
  for (const { url, name } of [forwarding, ...targets]) {
    const { text } = await sendRaw(url, 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0', { quietMs: 5_000 });
    assert.equal(text, '', name);
  }
  assert.equal(origin.heads.length, reached);
  assert.match(await exchange(targets[0], 'request'), /^HTTP\/1\.1 200 /);
});
