// Requests to the admin endpoints of a paywall, and its cron trigger.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { pause } from '../../../tools/lib/run.mjs';
import { send } from './client.mjs';

/** The admin token of every paywall with admin endpoints. */
export const ADMIN_TOKEN = randomBytes(32).toString('hex');

/** Sends a request with the admin token to a path below `/_toll/`. */
export const sendAsAdmin = (base, path, { headers, ...options } = {}) =>
  send(base, `/_toll/${path}`, { ...options, headers: { authorization: `Bearer ${ADMIN_TOKEN}`, ...headers } });

/** Returns the statistics that the dashboard shows. */
export async function stats(base) {
  const answer = await sendAsAdmin(base, 'stats');
  assert.equal(answer.status, 200, answer.text);
  return answer.json();
}

/** Polls the statistics until `isExpected` accepts them, and returns them. Fails after `seconds`. */
export async function statsWhen(base, isExpected, seconds = 15) {
  const deadline = Date.now() + seconds * 1000;
  for (;;) {
    const current = await stats(base);
    if (isExpected(current)) return current;
    if (Date.now() > deadline) assert.fail(`after ${seconds} s still ${JSON.stringify(current)}`);
    await pause(100);
  }
}

/** Runs the cron trigger and waits for its end. */
export async function runCron(base) {
  const answer = await fetch(`${base}/cdn-cgi/handler/scheduled`);
  assert.equal(answer.status, 200);
  await answer.text();
}
