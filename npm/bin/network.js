// The thread that handles the network requests of the command: one after the other.
import http from 'node:http';
import https from 'node:https';
import { workerData } from 'node:worker_threads';

const { signal, port } = workerData;
const agents = { 'http:': new http.Agent({ keepAlive: true }), 'https:': new https.Agent({ keepAlive: true }) };
/** The socket of the relay, and its messages that were not received yet. */
let socket;
let messages = [];
let wake = () => {};

port.on('message', async (request) => {
  const handlers = { http: send, open, send: sendMessage, receive };
  let result;
  try {
    result = await handlers[request.call](request);
  } catch (error) {
    result = { fault: faultOf(error) };
  }
  port.postMessage(result);
  Atomics.store(signal, 0, 1);
  Atomics.notify(signal, 0);
});

/**
 * Sends an HTTP request. No redirect is followed.
 * @param {{ url: string, key: string | null, body: string | null, authorization: string | null, maxBytes: number, isBeginning: boolean, limitMs: number }} request
 */
function send({ url, key, authorization, body, maxBytes, isBeginning, limitMs }) {
  const { protocol } = new URL(url);
  const headers = {
    'User-Agent': 'edgetoll',
    ...(key !== null && { 'X-Api-Key': key }),
    ...(authorization !== null && { Authorization: authorization }),
    ...(body !== null && { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) }),
  };
  return new Promise((resolve, reject) => {
    const request = (protocol === 'https:' ? https : http).request(url, { method: body === null ? 'GET' : 'POST', headers, agent: agents[protocol] });
    const limit = setTimeout(() => request.destroy(new Fault('timeout')), limitMs);
    const settle = (action, value) => {
      clearTimeout(limit);
      action(value);
    };
    request.on('error', (error) => settle(reject, error));
    request.on('response', (response) => {
      const chunks = [];
      let bytes = 0;
      const finish = () => settle(resolve, {
        status: response.statusCode,
        retryAfter: response.headers['retry-after'],
        wwwAuthenticate: response.headers['www-authenticate'],
        location: response.headers.location,
        body: Buffer.concat(chunks).subarray(0, maxBytes).toString(),
      });
      response.on('data', (chunk) => {
        chunks.push(chunk);
        bytes += chunk.length;
        if (bytes <= maxBytes) return;
        if (isBeginning) finish();
        else settle(reject, new Fault('too_large'));
        request.destroy();
      });
      response.on('end', finish);
      response.on('error', (error) => (isBeginning ? finish() : settle(reject, error)));
    });
    request.end(body ?? undefined);
  });
}

/**
 * Opens a WebSocket, and closes the one before.
 * @param {{ url: string, limitMs: number }} request
 */
async function open({ url, limitMs }) {
  socket?.close();
  messages = [];
  const opened = new WebSocket(url);
  socket = opened;
  opened.addEventListener('message', ({ data }) => {
    if (opened === socket) messages.push(String(data));
    wake();
  });
  for (const name of ['open', 'close', 'error']) opened.addEventListener(name, () => wake());
  await until(() => opened.readyState !== WebSocket.CONNECTING, limitMs);
  if (opened.readyState !== WebSocket.OPEN) throw new Fault('closed');
  return {};
}

/** @param {{ message: string }} request */
function sendMessage({ message }) {
  socket.send(message);
  return {};
}

/** @param {{ limitMs: number }} request */
async function receive({ limitMs }) {
  await until(() => messages.length > 0 || socket.readyState !== WebSocket.OPEN, limitMs);
  if (messages.length === 0) throw new Fault('closed');
  return { message: messages.shift() };
}

/**
 * Waits until a condition holds, which is checked at each event of the socket.
 * @param {() => boolean} holds
 * @param {number} limitMs
 */
function until(holds, limitMs) {
  return new Promise((resolve, reject) => {
    const limit = setTimeout(() => reject(new Fault('timeout')), limitMs);
    wake = () => {
      if (!holds()) return;
      clearTimeout(limit);
      resolve();
    };
    wake();
  });
}

/** A fault whose name the command knows. */
class Fault extends Error {}

/**
 * Returns the name of the fault that an error of Node means.
 * @param {Error & { code?: string }} error
 */
function faultOf(error) {
  if (error instanceof Fault) return error.message;
  const code = error.code ?? '';
  if (code === 'ECONNREFUSED') return 'refused';
  if (code === 'ETIMEDOUT') return 'timeout';
  if (/^(ERR_TLS_|ERR_SSL_|CERT_|EPROTO|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_)/.test(code)) return 'tls';
  if (/^(HPE_|ECONNRESET|ECONNABORTED|EPIPE)/.test(code)) return 'not_http';
  return 'unreachable';
}
