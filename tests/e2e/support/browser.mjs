// Starts Chromium and checks pages: no script errors, no violations of the content security policy, no serious accessibility
// violations.
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import axe from 'axe-core';
import { chromium } from 'playwright-core';
import { root } from '../../../tools/lib/run.mjs';

/** Launches Chromium. */
export const startBrowser = () =>
  chromium.launch({ executablePath: readFileSync(join(root, '.tools/chromium'), 'utf8').trim(), args: ['--no-sandbox'] });

/** Opens a page in a new browser context. Returns the context, the page, and the errors that the page reports. */
export async function openPage(browser, options = {}) {
  const context = await browser.newContext({ bypassCSP: false, ...options });
  const page = await context.newPage();
  return { context, page, pageErrors: collectErrors(page) };
}

/** Collects the errors and warnings of a page. Chromium also reports 401 and 402 responses, which are not collected. */
export function collectErrors(page) {
  const pageErrors = [];
  page.on('pageerror', (error) => pageErrors.push(error.message));
  page.on('console', (message) => {
    const isStatus = /the server responded with a status of 40[12]/.test(message.text());
    if (['error', 'warning'].includes(message.type()) && !isStatus) pageErrors.push(message.text());
  });
  return pageErrors;
}

/** Asserts that axe reports no serious or critical accessibility violation. */
export async function assertAccessible(page) {
  // The page's content security policy blocks injected scripts, but not `page.evaluate`.
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate(() => globalThis.axe.run());
  const serious = violations.filter(({ impact }) => ['serious', 'critical'].includes(impact));
  assert.deepEqual(serious.map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target).join(' ')}`), []);
}

/** Saves a screenshot in .tools/screenshots/, for review by eye. */
export async function saveScreenshot(page, name) {
  const dir = join(root, '.tools/screenshots');
  mkdirSync(dir, { recursive: true });
  await page.screenshot({ path: join(dir, `${name}.png`), fullPage: true });
}
