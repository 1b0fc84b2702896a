// Streams through the Worker, for each kind of origin: server-sent events, WebSockets, large bodies, and connections that break. The table
// in docs/origins.md records the results.
//   EDGETOLL_FULL=1  server-sent events for a minute instead of some seconds
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer, request as httpRequest } from 'node:http';
import { after, before, test } from 'node:test';
import { WebSocket, WebSocketServer } from 'ws';
import { pause, until } from '../../tools/lib/run.mjs';
import { buy, send } from './support/client.mjs';
import { startTargets } from './support/origin_kinds.mjs';
import { startRawOrigin } from './support/raw_origin.mjs';

const EVENTS_MS = process.env.EDGETOLL_FULL === '1' ? 60_000 : 3_000;
/** Shorter than the pauses of the streams: it limits only the wait for the beginning of a response. */
const ORIGIN_TIMEOUT_MS = 1_000;
const list = { origin_timeout: `${ORIGIN_TIMEOUT_MS}ms` };

/** The connections to the raw origin that wait for more of a response, by request path and target. */
const STREAM_HEAD = 'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n';
let streams = [];
let origin, forwarding, paywalls, targets;
before(async () => {
  const answers = {
    events: (connection) => {
      connection.write(STREAM_HEAD);
      streams.push(connection);
    },
    silent: (connection) => streams.push(connection),
    upload: (connection) => streams.push(connection.resume()),
    ok: 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok',
  };
  origin = await startRawOrigin(Object.fromEntries(Object.entries(answers).flatMap(([name, answer]) => ['/', '/sold/', '/counted/'].map((prefix) => [prefix + name, answer]))));
  ({ forwarding, paywalls, targets } = await startTargets(origin.url, { list, routes: [{ path: '/counted/*', sats: 5, uses: 2, realm: 'counted' }] }));
});
after(() => origin.stop());

/** Begins a request to a target. `received` is what has arrived; `ended` becomes `complete` or `broken`. */
function begin({ url, prefix, headers }, name, { method = 'GET', more = {}, path = prefix + name } = {}) {
  const { hostname, port } = new URL(url);
  const client = { received: '', status: undefined, ended: undefined };
  client.request = httpRequest({ hostname, port, path, method, headers: { ...headers, ...more }, agent: false }, (response) => {
    client.status = response.statusCode;
    response.setEncoding('latin1').on('data', (text) => (client.received += text));
    response.on('close', () => (client.ended = response.complete ? 'complete' : 'broken'));
  });
  client.request.on('error', () => (client.ended ??= 'broken'));
  if (method === 'GET') client.request.end();
  return client;
}

/** Begins a request to each target, and waits until all have reached the origin. */
async function beginAll(targets, name, options) {
  streams = [];
  const clients = targets.map((target) => begin(target, name, options));
  await until(() => streams.length === targets.length);
  return clients;
}

const chunk = (text) => `${text.length.toString(16)}\r\n${text}\r\n`;

test('Each server-sent event arrives before the origin sends the next one, however long the stream and its pauses last', async () => {
  const all = [forwarding, ...targets];
  const clients = await beginAll(all, 'events');
  const started = Date.now();
  let sent = '';
  for (let at = 0; Date.now() < started + EVENTS_MS; at += 1) {
    const event = `id: ${at}\ndata: ${'x'.repeat(at % 50)}\n\n`;
    sent += event;
    streams.forEach((connection) => connection.write(chunk(event)));
    await until(() => clients.every(({ received }) => received === sent));
    // Every fourth pause is longer than `origin_timeout`.
    await pause(at % 4 ? 100 : 1.5 * ORIGIN_TIMEOUT_MS);
  }
  streams.forEach((connection) => connection.end('0\r\n\r\n'));
  await until(() => clients.every(({ ended }) => ended === 'complete'));
  assert.ok(clients.every(({ status }) => status === 200));
});

test('If the client leaves in the body of its request, the origin’s connection ends at once', async () => {
  const all = [forwarding, ...targets];
  streams = [];
  const clients = all.map((target) => begin(target, 'upload', { method: 'POST', more: { 'Transfer-Encoding': 'chunked' } }));
  clients.forEach(({ request }) => request.write('a part of the body'));
  await until(() => streams.length === all.length);
  clients.forEach(({ request }) => request.destroy());
  await until(() => streams.every(({ closed }) => closed));
});

test('If the client leaves in the response, the origin’s connection ends with what the origin sends next', async () => {
  const clients = await beginAll([forwarding, ...targets], 'events');
  await until(() => clients.every(({ status }) => status === 200));
  clients.forEach(({ request }) => request.destroy());
  await until(() => {
    streams.filter(({ closed }) => !closed).forEach((connection) => connection.write(chunk('more')));
    return streams.every(({ closed }) => closed);
  });
});

test('If the client leaves before the response, the runtime goes on waiting for the origin, until `origin_timeout` ends', async () => {
  const clients = await beginAll(targets, 'silent');
  clients.forEach(({ request }) => request.destroy());
  await until(() => streams.every(({ closed }) => closed));
  for (const { url, prefix, headers } of targets) assert.equal((await send(url, `${prefix}ok`, { headers })).status, 200);
});

test('If the origin restarts in the middle of its responses, they break off at the clients, and the next requests are served', async () => {
  for (const round of [1, 2]) {
    const all = [forwarding, ...targets];
    const clients = await beginAll(all, 'events');
    streams.forEach((connection) => connection.write(chunk('half')));
    await until(() => clients.every(({ received }) => received === 'half'));
    await origin.restart();
    await until(() => clients.every(({ ended }) => ended));
    assert.deepEqual(clients.map(({ ended }) => ended), all.map(() => 'broken'), `round ${round}`);
    // The connections that the runtime had kept open to the previous process of the origin are gone.
    for (const { url, prefix, headers, name } of targets) assert.equal((await send(url, `${prefix}ok`, { headers })).status, 200, name);
  }
});

test('A response that breaks off has spent its use, since it had begun', async () => {
  for (const { url, host, kind } of paywalls) {
    const headers = { Host: host };
    headers.authorization = (await buy(url, '/counted/ok', { headers })).standard;
    const [client] = await beginAll([{ url, headers, prefix: '/counted/' }], 'events');
    await until(() => client.status === 200);
    streams[0].destroy();
    await until(() => client.ended === 'broken');
    const { status, headers: answered } = await send(url, '/counted/ok', { headers });
    assert.deepEqual([status, answered['x-toll-uses-remaining']], [200, '0'], kind);
  }
});

test('WebSockets carry text, large binary messages, subprotocols and the reasons of their end, as through a Worker that only forwards', async (context) => {
  const socketOrigin = await startSocketOrigin();
  context.after(() => socketOrigin.stop());
  const started = await startTargets(socketOrigin.url, { list });
  const outcomes = async (target) => {
    const ends = [];
    for (const way of ['the client closes', 'the origin closes', 'the origin drops']) ends.push(await useSocket(target, way, socketOrigin));
    return ends;
  };
  const opened = { protocol: 'second', echo: ['text', '1000000 bytes'] };
  const expected = [
    { ...opened, atClient: '4002 by the client', atOrigin: '4002 by the client' },
    { ...opened, atClient: '4001 by the origin', atOrigin: '4001 by the origin' },
    { ...opened, atClient: '1006 ', atOrigin: '1006 ' },
  ];
  assert.deepEqual(await outcomes(started.forwarding), expected);
  for (const target of started.targets) assert.deepEqual(await outcomes(target), expected, target.name);
});

/** Starts an origin that echoes messages. `last` is its end of the last WebSocket, and how that ended. */
async function startSocketOrigin() {
  const server = createServer();
  const sockets = new WebSocketServer({ server, handleProtocols: () => 'second', maxPayload: 2_000_000 });
  const origin = { last: undefined };
  sockets.on('connection', (socket) => {
    const last = { socket, end: undefined };
    origin.last = last;
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
    socket.on('close', (code, reason) => (last.end = `${code} ${reason}`)).on('error', () => {});
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  origin.url = `http://127.0.0.1:${server.address().port}`;
  origin.stop = () => {
    sockets.clients.forEach((socket) => socket.terminate());
    server.closeAllConnections();
    server.close();
  };
  return origin;
}

/** Opens a WebSocket, sends a text and a large message, and ends the WebSocket in this way. */
async function useSocket({ url, prefix, headers }, way, origin) {
  const socket = new WebSocket(`${url.replace('http', 'ws')}${prefix}socket`, ['first', 'second'], { headers });
  const echo = [];
  let end;
  socket.on('message', (data, isBinary) => echo.push(isBinary ? `${data.length} bytes` : data.toString()));
  socket.on('close', (code, reason) => (end = `${code} ${reason}`)).on('error', () => {});
  await until(() => socket.readyState === WebSocket.OPEN);
  const atOrigin = origin.last;
  socket.send('text');
  socket.send(Buffer.alloc(1_000_000, 7));
  await until(() => echo.length === 2);
  if (way === 'the client closes') socket.close(4002, 'by the client');
  if (way === 'the origin closes') atOrigin.socket.close(4001, 'by the origin');
  if (way === 'the origin drops') atOrigin.socket.terminate();
  try {
    await until(() => end !== undefined && atOrigin.end !== undefined);
  } finally {
    socket.terminate();
  }
  return { protocol: socket.protocol, echo, atClient: end, atOrigin: atOrigin.end };
}

const LARGE_BYTES = 100 * 1024 * 1024;
const CHUNK = Buffer.alloc(64 * 1024, 'edgetoll');
/** More than the buffers of all connections on the way, and far less than a body that is kept in memory. */
const FLAT_MIB = 32;

test('100 MiB pass in both directions with flat memory, and a client that does not read stops the origin', async (context) => {
  const large = await startLargeOrigin();
  context.after(() => large.server.close());
  // On a busy machine, 100 MiB take longer than the limit of the other tests.
  const started = await startTargets(large.url, { list: { origin_timeout: '60s' } });
  const digest = createHash('sha256');
  for (let sent = 0; sent < LARGE_BYTES; sent += CHUNK.length) digest.update(CHUNK);
  const expected = digest.digest('hex');
  for (const target of started.targets.filter(({ isPaid }) => isPaid)) {
    await download(target, { bytes: CHUNK.length });
    const before = residentMib(target.server);
    assert.equal(await download(target, { bytes: LARGE_BYTES, large }), expected, target.name);
    assert.equal(await upload(target), expected, target.name);
    const peak = peakMib(target.server);
    assert.ok(peak - before < FLAT_MIB, `${target.name}: from ${before} to ${peak} MiB`);
  }
});

/** Starts an origin that sends as many bytes as the query says, and answers an upload with its digest. */
async function startLargeOrigin() {
  const origin = { sent: 0 };
  origin.server = createServer(async (request, response) => {
    if (request.method === 'POST') {
      const digest = createHash('sha256');
      for await (const part of request) digest.update(part);
      return response.end(digest.digest('hex'));
    }
    const bytes = Number(new URL(request.url, 'http://origin').searchParams.get('bytes'));
    response.writeHead(200, { 'Content-Length': bytes });
    for (origin.sent = 0; origin.sent < bytes; origin.sent += CHUNK.length) {
      if (!response.write(CHUNK)) await new Promise((resolve) => response.once('drain', resolve));
    }
    response.end();
  });
  await new Promise((resolve) => origin.server.listen(0, '127.0.0.1', resolve));
  return { url: `http://127.0.0.1:${origin.server.address().port}`, ...origin, sent: () => origin.sent };
}

/** Downloads a body and returns its digest. If `large` is given, the client first reads nothing until the origin has stopped sending. */
function download({ url, prefix, headers }, { bytes, large }) {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    httpRequest({ hostname, port, path: `${prefix}large?bytes=${bytes}`, headers }, async (response) => {
      assert.equal(response.statusCode, 200);
      if (large) {
        let [before, same] = [-1, 0];
        await until(async () => {
          await pause(20);
          same = large.sent() === before ? same + 1 : 0;
          before = large.sent();
          return same === 10;
        });
        assert.ok(before < LARGE_BYTES / 2, `the origin sent ${before} bytes`);
      }
      const digest = createHash('sha256');
      for await (const part of response) digest.update(part);
      resolve(digest.digest('hex'));
    }).on('error', reject).end();
  });
}

/** Uploads a large body. Returns the digest of what the origin received. */
function upload({ url, prefix, headers }) {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const request = httpRequest({ hostname, port, path: `${prefix}large`, method: 'POST', headers: { ...headers, 'Content-Length': LARGE_BYTES } }, async (response) => {
      let text = '';
      for await (const part of response) text += part;
      resolve(text);
    });
    request.on('error', reject);
    let left = LARGE_BYTES;
    const write = () => {
      while (left > 0) {
        left -= CHUNK.length;
        if (!request.write(CHUNK)) return request.once('drain', write);
      }
      request.end();
    };
    write();
  });
}

const memory = (server, key) => Number(new RegExp(`${key}:\\s+(\\d+)`).exec(readFileSync(`/proc/${server.child.pid}/status`, 'utf8'))[1]) / 1024;
const residentMib = (server) => Math.round(memory(server, 'VmRSS'));
const peakMib = (server) => Math.round(memory(server, 'VmHWM'));
