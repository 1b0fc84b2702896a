// A real Chromium, and what every page must be: without errors, without anything that its policy forbids, readable by all.
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import axe from 'axe-core';
import { chromium } from 'playwright-core';
import { root } from '../../../tools/lib/run.mjs';

/** Starts it. */
export const startBrowser = () =>
  chromium.launch({ executablePath: readFileSync(join(root, '.tools/chromium'), 'utf8').trim(), args: ['--no-sandbox'] });

/** Opens a page in a context of its own; gives it and what went wrong in it. */
export async function openPage(browser, options = {}) {
  const context = await browser.newContext({ bypassCSP: false, ...options });
  const page = await context.newPage();
  return { context, page, troubles: watch(page) };
}

/** What a page complains of. That a 402 or a 401 is no 200 is none of it. */
export function watch(page) {
  const troubles = [];
  page.on('pageerror', (error) => troubles.push(error.message));
  page.on('console', (message) => {
    const isStatus = /the server responded with a status of 40[12]/.test(message.text());
    if (['error', 'warning'].includes(message.type()) && !isStatus) troubles.push(message.text());
  });
  return troubles;
}

/** No finding that keeps anybody out. */
export async function assertAccessible(page) {
  // The page's own policy lets no script of ours in; axe is put in by the browser itself.
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate(() => globalThis.axe.run());
  const serious = violations.filter(({ impact }) => ['serious', 'critical'].includes(impact));
  assert.deepEqual(serious.map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target).join(' ')}`), []);
}

/** A picture for whoever runs the tests, in .tools/screenshots/. */
export async function picture(page, name) {
  const dir = join(root, '.tools/screenshots');
  mkdirSync(dir, { recursive: true });
  await page.screenshot({ path: join(dir, `${name}.png`), fullPage: true });
}
