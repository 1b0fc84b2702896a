// The operator of a paywall: its numbers, and its cron trigger.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { pause } from '../../../tools/lib/run.mjs';
import { send } from './client.mjs';

/** The token of every paywall that these tests operate. */
export const ADMIN_TOKEN = randomBytes(32).toString('hex');

/** Asks for something of the operator's, with the token. */
export const asOperator = (base, path, { headers, ...options } = {}) =>
  send(base, `/_toll/${path}`, { ...options, headers: { authorization: `Bearer ${ADMIN_TOKEN}`, ...headers } });

/** What the dashboard is shown. */
export async function stats(base) {
  const answer = await asOperator(base, 'stats');
  assert.equal(answer.status, 200, answer.text);
  return answer.json();
}

/** The numbers, once they are what a test waits for. */
export async function statsWhen(base, isSo, seconds = 15) {
  const deadline = Date.now() + seconds * 1000;
  for (;;) {
    const seen = await stats(base);
    if (isSo(seen)) return seen;
    if (Date.now() > deadline) assert.fail(`after ${seconds} s still ${JSON.stringify(seen)}`);
    await pause(100);
  }
}

/** Runs the cron trigger, to its end. */
export async function runCron(base) {
  const answer = await fetch(`${base}/cdn-cgi/handler/scheduled`);
  assert.equal(answer.status, 200);
  await answer.text();
}
