// The steps that JavaScript does for the wasm: reading requests, sending them to the origin, and changing headers. The wasm decides
// what is done.

/** @typedef {{ ORIGIN?: Fetcher }} Env */

/**
 * How a request is forwarded: a text of `src/edge/handlers/forward.rs`, as lines. From `EDITS_AT` on, they are the changes of the
 * request's headers, and from `responseEditsAt` on, those of the response's headers. Each change has two lines.
 * @typedef {object} Plan
 * @property {string} url
 * @property {string} body empty to forward the body, `-` for no body, otherwise the length that the body must have
 * @property {string} cache `no-store` or empty
 * @property {string} timeoutMs empty for no time limit
 * @property {string} record the beginning of the log record
 * @property {string} response what the wasm needs when the response arrives
 * @property {string[]} lines
 * @property {number} responseEditsAt
 * @property {boolean} changesResponse whether the response is changed in any case
 */

/**
 * Returns method, URL, whether there is a body (`1` or nothing), and the headers, each on a line of its own.
 * @param {Request} request
 */
export function readRequest(request) {
  return `${request.method}\n${request.url}\n${request.body ? 1 : ''}\n${readHeaders(request)}`;
}

/**
 * Returns the number of headers, and then their names and values, each on a line of its own. Each `Set-Cookie` has its own two lines.
 * @param {Request | Response} message
 */
export function readHeaders(message) {
  let lines = '';
  let count = 0;
  message.headers.forEach((value, name) => {
    lines += `${name}\n${value}\n`;
    count += 1;
  });
  return `${count}\n${lines}`;
}

/**
 * @param {string} plan
 * @returns {Plan}
 */
export function parsePlan(plan) {
  const lines = plan.split('\n');
  const [url = '', body = '', cache = '', timeoutMs = '', record = '', response = '', edits] = lines;
  const responseEditsAt = EDITS_AT + Number(edits);
  // The last line is empty.
  const changesResponse = body === '-' || responseEditsAt < lines.length - 1;
  return { url, body, cache, timeoutMs, record, response, lines, responseEditsAt, changesResponse };
}
const EDITS_AT = 7;

/**
 * Sends a request to the origin: through the service binding `ORIGIN`, or to a URL. A response that has begun may stream without a
 * time limit. Throws if the runtime cannot make the request. If the promise fails, `faultOf` names the fault.
 * @param {Request} request
 * @param {Env} env
 * @param {Plan} plan
 * @returns {Promise<Response>}
 */
export function send(request, env, { url, body, cache, timeoutMs, lines, responseEditsAt }) {
  const sent = new Request(url, body ? withBody(request, body) : request);
  editHeaders(sent.headers, lines, EDITS_AT, responseEditsAt);
  const init = cache ? NO_STORE : undefined;
  return timeoutMs ? fetchWithin(Number(timeoutMs), sent, env, init) : fetchFrom(env, sent, init);
}
/** @type {RequestInit} */
const NO_STORE = { cache: 'no-store' };

/**
 * Sends a request as `send` does. The value of the promise is the response or the name of the fault.
 * @param {Request} request
 * @param {Env} env
 * @param {string} plan
 */
export async function sendForWasm(request, env, plan) {
  const sent = send(request, env, parsePlan(plan));
  try {
    const response = await sent;
    return isResponse(response) ? response : 'unreachable';
  } catch (error) {
    return faultOf(error);
  }
}

/**
 * Whether the status is one that a `Response` can have. With the status 101, it must have a WebSocket.
 * @param {Response} response
 */
export function isResponse({ status, webSocket }) {
  return status >= 200 ? status <= 599 : Boolean(webSocket);
}

/**
 * Returns the name of the fault for which the promise of `send` failed.
 * @param {unknown} error
 */
export function faultOf(error) {
  return error === TIMED_OUT ? 'timeout' : 'unreachable';
}

/**
 * @param {number} ms
 * @param {Request} sent
 * @param {Env} env
 * @param {RequestInit | undefined} init
 */
async function fetchWithin(ms, sent, env, init) {
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(), ms);
  try {
    return await fetchFrom(env, sent, { ...init, signal: controller.signal });
  } catch (error) {
    throw controller.signal.aborted ? TIMED_OUT : error;
  } finally {
    clearTimeout(timer);
  }
}
const TIMED_OUT = new Error('the origin did not respond in time');

/**
 * @param {Env} env
 * @param {Request} sent
 * @param {RequestInit | undefined} init
 */
function fetchFrom(env, sent, init) {
  // As in `environment.rs`: a variable of this name is not a service.
  return typeof env.ORIGIN?.fetch === 'function' ? env.ORIGIN.fetch(sent, init) : fetch(sent, init);
}

/**
 * Returns the request without its body (`-`), or with a body that fails if it has another length.
 * @param {Request} request
 * @param {string} length
 * @returns {RequestInit}
 */
function withBody({ method, headers, body }, length) {
  if (length === '-' || !body) return { method, headers, redirect: 'manual' };
  const { readable, writable } = new FixedLengthStream(Number(length));
  // If the length differs, the stream fails, and so does the request to the origin.
  body.pipeTo(writable).catch(() => {});
  return { method, headers, redirect: 'manual', body: readable };
}

/**
 * Returns a response with changed headers: a copy, because the headers of a fetched response cannot be changed. The body is not
 * copied.
 * @param {Response} response
 * @param {Plan} plan
 * @param {string} edits
 */
export function change(response, { body, lines, responseEditsAt }, edits) {
  const { status, headers } = response;
  const changed = body === '-' ? new Response(null, { status, headers }) : copy(response);
  editHeadersByText(changed.headers, edits);
  editHeaders(changed.headers, lines, responseEditsAt, lines.length);
  return changed;
}

/** @param {Response} response */
function copy(response) {
  try {
    return new Response(response.body, response);
  } catch {
    // The runtime refuses a reason phrase with a tab, although it receives one. The copy has the usual phrase of the status.
    const { status, headers } = response;
    return new Response(response.body, { status, headers });
  }
}

/**
 * Returns a response as `change` does.
 * @param {Response} response
 * @param {string} plan
 * @param {string} edits
 */
export function changeForWasm(response, plan, edits) {
  return change(response, parsePlan(plan), edits);
}

/**
 * Makes changes of headers, which `src/http/header_edits.rs` wrote.
 * @param {Headers} headers
 * @param {string} edits
 */
export function editHeadersByText(headers, edits) {
  const lines = edits.split('\n');
  editHeaders(headers, lines, 0, lines.length);
}

/**
 * @param {Headers} headers
 * @param {string[]} lines
 * @param {number} start
 * @param {number} end
 */
function editHeaders(headers, lines, start, end) {
  for (let at = start; at + 1 < end; at += 2) {
    const line = /** @type {string} */ (lines[at]);
    const value = /** @type {string} */ (lines[at + 1]);
    const name = line.slice(1);
    switch (line[0]) {
      case '=': headers.set(name, value); break;
      case '+': headers.append(name, value); break;
      case '-': headers.delete(name); break;
    }
  }
}

let count = 0;

/** Counts a new instance of the wasm: the first one, and one after each crash. */
export function instanceStarted() {
  count += 1;
}

/** Returns how many instances of the wasm there have been. */
export function instances() {
  return count;
}

// The futures of the wasm run in microtasks. The function of the runtime costs a tenth of the CPU time of a request that waits twice.
globalThis.queueMicrotask = (/** @type {() => void} */ work) => void Promise.resolve().then(work);

/**
 * Returns the result of a promise, or fails after `ms` milliseconds.
 * @param {Promise<unknown>} promise
 * @param {number} ms
 */
export function within(promise, ms) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(reject, ms);
    const ends = (/** @type {(value: unknown) => void} */ settle) => (/** @type {unknown} */ value) => {
      clearTimeout(timer);
      settle(value);
    };
    promise.then(ends(resolve), ends(reject));
  });
}

/**
 * Sends a request to the Durable Object of this name. Returns its response as text.
 * @param {Parameters<typeof sendToObject>} args
 */
export async function callObject(...args) {
  const response = await sendToObject(...args);
  return response.headers.get(RESPONSE_HEADER) ?? response.text();
}

/**
 * Returns a body as text; `undefined` if it has more than `maxBytes`, or too many chunks: each chunk costs CPU time, and a client can
 * send each byte in a chunk of its own.
 * @param {ReadableStream<Uint8Array>} stream
 * @param {number} maxBytes
 */
export async function readText(stream, maxBytes) {
  const reader = stream.getReader();
  const decoder = new TextDecoder('utf-8', { fatal: false, ignoreBOM: true });
  let [text, bytes] = ['', 0];
  for (let chunks = 0; chunks < MIN_CHUNKS + maxBytes / BYTES_PER_CHUNK; chunks += 1) {
    const { done, value } = await reader.read();
    if (done) return text + decoder.decode();
    bytes += value.byteLength;
    if (bytes > maxBytes) break;
    text += decoder.decode(value, { stream: true });
  }
  // The rest of the body is discarded. An error of `cancel` does not matter.
  await reader.cancel().catch(() => {});
}
const MIN_CHUNKS = 100;
/** A TCP segment has about 1,400 bytes. */
const BYTES_PER_CHUNK = 256;

/**
 * Sends a request to the Durable Object of this name. Returns the body of its response.
 * @param {Parameters<typeof sendToObject>} args
 */
export async function openObject(...args) {
  return (await sendToObject(...args)).body;
}

/**
 * @param {DurableObjectNamespace} objects
 * @param {string} name
 * @param {string} request
 * @param {string} [body]
 */
async function sendToObject(objects, name, request, body) {
  const response = await objects.getByName(name).fetch(OBJECT_URL, objectRequest(request, body));
  if (!response.ok) throw new Error(`the object answered ${response.status}`);
  return response;
}

/**
 * @param {string} request
 * @param {string} [body]
 * @returns {RequestInit}
 */
function objectRequest(request, body) {
  const init = { headers: { [REQUEST_HEADER]: request } };
  return body === undefined ? init : { ...init, method: 'POST', body };
}

/**
 * Returns the pages of the ledger's command `export_payments`. The first line of a page has the body of the request for the next one.
 * Without a first page, the response has no body.
 * @param {(request: Request) => Promise<Response>} fetch calls the ledger
 * @param {string} body
 */
export async function exportPayments(fetch, body) {
  const read = async (/** @type {string} */ body) => (await fetch(new Request(OBJECT_URL, objectRequest(EXPORT, body)))).text();
  let page = await read(body);
  if (!page) return new Response(null, { status: 204 });
  const encoder = new TextEncoder();
  // Each page is read when the client has taken the previous one.
  return new Response(new ReadableStream({
    async pull(controller) {
      page ||= await read(body);
      const end = page.indexOf('\n');
      body = page.slice(0, end);
      controller.enqueue(encoder.encode(page.slice(end + 1)));
      page = '';
      if (!body) controller.close();
    },
  }));
}

/** The command of the ledger whose result is streamed. */
export const EXPORT = 'export_payments';

/** The header that carries a small request to a Durable Object as JSON, or the name of a command. */
export const REQUEST_HEADER = 'Toll-Request';
/** The header that carries a small response of a Durable Object as JSON. */
export const RESPONSE_HEADER = 'Toll-Response';
/** The object ignores the URL, but `fetch` requires one. */
const OBJECT_URL = 'https://object.invalid/';
