// The steps that JavaScript does for the wasm: reading requests, sending them to the origin, and changing headers. What is done is
// decided in the wasm.

/**
 * Returns method, URL, whether there is a body (`1` or nothing), and the headers, each on a line of its own. None of them contains a
 * line break.
 * @param {Request} request
 */
export function readRequest(request) {
  return `${request.method}\n${request.url}\n${request.body ? 1 : ''}\n${readHeaders(request)}`;
}

/**
 * Returns names and values of the headers, each on a line of its own. Each `Set-Cookie` has its own two lines.
 * @param {Request | Response} message
 */
export function readHeaders(message) {
  let lines = '';
  message.headers.forEach((value, name) => (lines += `${name}\n${value}\n`));
  return lines;
}

/**
 * A plan of `src/edge/handlers/forward.rs`, as lines. The lines from `EDITS_AT` on are the changes of the request's headers, two lines
 * for each change. `edits` is their number. The lines after them are the changes of the response's headers.
 * @typedef {{ url: string, body: string, cache: string, timeoutMs: string, record: string, response: string, lines: string[], responseEditsAt: number, changesResponse: boolean }} Plan
 */

/**
 * @param {string} plan
 * @returns {Plan}
 */
export function parsePlan(plan) {
  const lines = plan.split('\n');
  const [url, body, cache, timeoutMs, record, response, edits] = lines;
  const responseEditsAt = EDITS_AT + Number(edits);
  // The last line is empty.
  const changesResponse = body !== '' || responseEditsAt < lines.length - 1;
  return { url, body, cache, timeoutMs, record, response, lines, responseEditsAt, changesResponse };
}
const EDITS_AT = 7;

/**
 * Sends a request to the origin: through the service binding `ORIGIN`, or to a URL. A response that has begun may stream without a
 * time limit. Throws if the runtime cannot make the request.
 * @param {Request} request
 * @param {{ ORIGIN?: { fetch: typeof fetch } }} env
 * @param {Plan} plan
 * @returns {Promise<Response>} If it fails, `faultOf` names the fault.
 */
export function send(request, env, { url, body, cache, timeoutMs, lines, responseEditsAt }) {
  const sent = new Request(url, body ? withBody(request, body) : request);
  edit(sent.headers, lines, EDITS_AT, responseEditsAt);
  const init = cache ? NO_STORE : undefined;
  if (timeoutMs) return sendWithin(Number(timeoutMs), sent, env, init);
  return env.ORIGIN ? env.ORIGIN.fetch(sent, init) : fetch(sent, init);
}
const NO_STORE = { cache: 'no-store' };

/**
 * Sends a request as `send` does.
 * @param {string} plan
 * @returns {Promise<Response | string>} The response, or the fault as `faultOf` names it.
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

/** Whether the status is one that a `Response` can have. */
export function isResponse({ status }) {
  return status <= 599;
}

/** Returns the name of the fault for which `fetch` failed. */
export function faultOf(error) {
  return error === TIMED_OUT ? 'timeout' : 'unreachable';
}

async function sendWithin(ms, sent, env, init) {
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(TIMED_OUT), ms);
  try {
    const limited = { ...init, signal: controller.signal };
    return await (env.ORIGIN ? env.ORIGIN.fetch(sent, limited) : fetch(sent, limited));
  } catch (error) {
    throw controller.signal.aborted ? TIMED_OUT : error;
  } finally {
    clearTimeout(timer);
  }
}
const TIMED_OUT = new Error('the origin did not respond in time');

/** Returns the request with no body (`-`), or with a body that fails if it has another length. */
function withBody({ method, headers, body }, length) {
  if (length === '-') return { method, headers, redirect: 'manual' };
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
  const copied = body === '-' ? new Response(null, { status: response.status, headers: response.headers }) : new Response(response.body, response);
  editHeaders(copied.headers, edits);
  edit(copied.headers, lines, responseEditsAt, lines.length);
  return copied;
}

/** Returns a response as `change` does, for a plan as text. */
export function changeForWasm(response, plan, edits) {
  return change(response, parsePlan(plan), edits);
}

/**
 * Makes changes of headers, as `src/http/header_edits.rs` writes them.
 * @param {Headers} headers
 * @param {string} edits
 */
export function editHeaders(headers, edits) {
  const lines = edits.split('\n');
  edit(headers, lines, 0, lines.length);
}

function edit(headers, lines, start, end) {
  for (let at = start; at + 1 < end; at += 2) {
    const name = lines[at].slice(1);
    const value = lines[at + 1];
    switch (lines[at][0]) {
      case '=': headers.set(name, value); break;
      case '+': headers.append(name, value); break;
      case '-': headers.delete(name); break;
    }
  }
}

let count = 0;

/** Counts a new instance of the wasm: the first one, and one after each panic. */
export function instanceStarted() {
  count += 1;
}

/** Returns how many instances of the wasm there have been. */
export function instances() {
  return count;
}
