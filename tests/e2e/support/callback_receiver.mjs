// A server that receives payment callbacks. It verifies their signatures with the Standard Webhooks library and with the
// function that docs/operations.md shows.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { freePort, root } from '../../../tools/lib/run.mjs';

// R7 (CHANGELOG), https://github.com/standard-webhooks/standard-webhooks/issues/235: the library reads these digits as base64.
export const SECRET = randomBytes(32).toString('hex');

/** Starts the receiver. After `fail(status)` it refuses callbacks, after `down()` it refuses connections. */
export async function startCallbackReceiver() {
  const port = await freePort();
  const calls = [];
  let status = 200;
  const server = createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    calls.push({ method: request.method, headers: request.headers, body: Buffer.concat(chunks).toString(), status });
    response.writeHead(status).end('ignored');
  });
  const up = () => new Promise((resolve) => server.listen(port, '127.0.0.1', resolve));
  const down = () => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  };
  await up();
  // An open server must not keep the process of a failed test alive.
  server.unref();
  return {
    url: `http://127.0.0.1:${port}/paid?shop=1`,
    calls,
    accepted: () => calls.filter(({ status }) => status === 200),
    fail: (answer) => (status = answer),
    recover: () => (status = 200),
    up,
    down,
    close: () => server.listening && down(),
    assertSigned,
  };
}

async function assertSigned({ headers, body }) {
  const python = join(root, '.tools/oracles/bin/python');
  const script = 'import json, sys; from standardwebhooks import Webhook; c = json.load(sys.stdin); Webhook(c["secret"]).verify(c["body"], c["headers"])';
  const verifyWithLibrary = (body) => execFileSync(python, ['-c', script], { input: JSON.stringify({ secret: SECRET, headers, body }), stdio: ['pipe', 'pipe', 'ignore'] });
  verifyWithLibrary(body);
  assert.throws(() => verifyWithLibrary(body.replace('7', '8')));
  const verify = await documentedVerifier();
  assert.ok(verify(SECRET, headers, body));
  assert.ok(!verify(SECRET, headers, body.replace('7', '8')));
  assert.ok(!verify(`whsec_${'A'.repeat(44)}`, headers, body));
  assert.ok(!verify(SECRET, { ...headers, 'webhook-timestamp': String(headers['webhook-timestamp'] - 1) }, body));
}

/** Returns the function that docs/operations.md shows for verifying a callback. */
export async function documentedVerifier() {
  const [, snippet] = readFileSync(join(root, 'docs/operations.md'), 'utf8').match(/```js\n(.*?)```/s);
  const { isFromEdgetoll } = await import(`data:text/javascript,${encodeURIComponent(snippet)}`);
  return isFromEdgetoll;
}
