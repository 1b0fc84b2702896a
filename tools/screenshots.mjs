// `make screenshots` starts a paywall and takes the screenshots in docs/images/. They show the demo's welcome page, the pay page, and
// the dashboard after some payments.
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { experimental_readRawConfig } from 'wrangler';
import { startOrigin } from '../demo/origin.mjs';
import { startLnbits } from './lib/lnbits.mjs';
import { Run, freePort, pause, root, writeJson } from './lib/run.mjs';
import { startWrangler } from './lib/worker.mjs';

const HOUR = 3_600_000;
const PAYMENTS = 66;
const MAX_BYTES = 200_000;
const ADMIN_TOKEN = randomBytes(32).toString('hex');
const settings = experimental_readRawConfig({ config: join(root, 'wrangler.toml') }).rawConfig;
const images = join(root, 'docs/images');

const run = Run.begin('screenshots');
let browser;
try {
  // The screenshots show the port, so 8787 is preferred: the documentation names this port.
  const port = (await freePort(8787)) ?? (await freePort());
  const lnbits = await startLnbits(run, { dataDir: run.folder('lnbits') });
  const origin = await startOrigin(0, { priceList: () => settings.vars.TOLL });
  const url = await startPaywall({ lnbits, origin, port });
  await makePayments(url, lnbits);

  mkdirSync(images, { recursive: true });
  browser = await chromium.launch({ executablePath: readFileSync(join(root, '.tools/chromium'), 'utf8').trim(), args: ['--no-sandbox'] });
  await screenshot('welcome', { width: 960, height: 752 }, (page) => page.goto(url));
  await screenshot('pay-page', { width: 960, height: 752 }, async (page) => {
    await page.goto(`${url}/api/data`);
    await page.waitForSelector('#code svg');
  });
  await screenshot('dashboard', { width: 1120, height: 976 }, async (page) => {
    await page.route('**/_toll/stats', async (route) => {
      const response = await route.fetch();
      await route.fulfill({ response, json: spreadOverDay(await response.json()) });
    });
    await page.goto(`${url}/_toll/`);
    await page.fill('#token', ADMIN_TOKEN);
    await page.click('text=Log in');
    await page.waitForSelector('#payment-table tbody tr');
  });
  origin.close();
} finally {
  await browser?.close();
  await run.end();
}
// Without this call, the idle connections of the origin would keep this process alive.
process.exit();

/** Starts the Worker with the price list of wrangler.toml. Returns its URL. */
async function startPaywall({ lnbits, origin, port }) {
  const dir = run.folder('paywall');
  const { build, ...config } = settings;
  writeJson(join(dir, 'wrangler.json'), {
    ...config,
    main: join(root, 'build/index.js'),
    assets: { ...config.assets, directory: join(root, config.assets.directory) },
    // Higher limits than those of wrangler.toml, so that no request of this script is refused.
    vars: { ...config.vars, TOLL: { ...config.vars.TOLL, invoices_per_minute: 1000 } },
    ratelimits: config.ratelimits.map((limit) => ({ ...limit, simple: { limit: 10_000, period: 60 } })),
  });
  const secrets = {
    TOLL_SECRET: randomBytes(32).toString('hex'),
    ADMIN_TOKEN,
    LNBITS_URL: lnbits.url,
    LNBITS_KEY: lnbits.merchant.invoiceKey,
    ORIGIN_URL: `http://127.0.0.1:${origin.address().port}`,
  };
  writeFileSync(join(dir, '.dev.vars'), Object.entries(secrets).map(([name, value]) => `${name}="${value}"\n`).join(''));
  return (await startWrangler(run, ['--port', String(port), '--persist-to', join(dir, 'state')], { cwd: dir })).url;
}

/** Makes `PAYMENTS` payments from several client addresses, and some requests without payment. Waits until the ledger has all payments. */
async function makePayments(url, lnbits) {
  const paths = [
    '/api/joke', '/api/data', '/api/joke', '/api/time', '/convert/html', '/api/joke', '/api/data', '/api/time', '/convert/pdf', '/api/joke',
    '/api/data',
  ];
  for (let payment = 0; payment < PAYMENTS; payment += 1) {
    const path = paths[payment % paths.length];
    const isPost = path.startsWith('/convert/');
    const request = async (headers) => {
      const client = { 'CF-Connecting-IP': `192.0.2.${(payment * 7) % 23 + 1}` };
      const options = isPost ? { method: 'POST', body: '# Hello' } : {};
      return (await fetch(url + path, { ...options, headers: { ...client, ...headers } })).text();
    };
    const unpaid = JSON.parse(await request());
    const authorization = `L402 ${unpaid.macaroon}:${await lnbits.pay(unpaid.invoice)}`;
    for (let use = 0; use <= payment % 3; use += 1) await request({ authorization });
    if (payment % 4 === 0) await request();
  }
  for (let tries = 0; (await stats(url)).totalPayments < PAYMENTS; tries += 1) {
    if (tries === 300) throw new Error(`the ledger did not record ${PAYMENTS} payments within 30 s`);
    await pause(100);
  }
}

async function stats(url) {
  const answer = await fetch(`${url}/_toll/stats`, { headers: { Authorization: `Bearer ${ADMIN_TOKEN}` } });
  if (!answer.ok) throw new Error(`the dashboard's statistics answered ${answer.status}`);
  return answer.json();
}

/**
 * Changes the times in the dashboard's statistics. All payments were made just now, so the chart would have a single bar. The latest
 * payments get times within the last hours, and the rest of the revenue is put into earlier hours. The sums are not changed.
 */
function spreadOverDay(stats) {
  const thisHour = Math.floor(stats.now / HOUR) * HOUR;
  const hours = new Map();
  const add = (at, sats, payments) => {
    const hour = Math.floor(at / HOUR) * HOUR;
    const known = hours.get(hour) ?? { hour, sats: 0, payments: 0 };
    hours.set(hour, { hour, sats: known.sats + sats, payments: known.payments + payments });
  };
  const recentPayments = stats.recentPayments.map((payment, index) => {
    const timestamp = stats.now - 4 * 60_000 - index * 17 * 60_000;
    add(timestamp, payment.amountSats, 1);
    return { ...payment, timestamp };
  });
  const rest = {
    sats: stats.totalRevenue - sum(recentPayments.map(({ amountSats }) => amountSats)),
    payments: stats.totalPayments - recentPayments.length,
  };
  const weights = [2, 1, 0, 1, 3, 4, 6, 5, 8, 6, 9, 11, 8, 9, 6, 7, 5, 2];
  const total = sum(weights);
  let done = { sats: 0, payments: 0, weight: 0 };
  weights.forEach((weight, index) => {
    const share = (done.weight + weight) / total;
    const now = { sats: Math.round(rest.sats * share), payments: Math.round(rest.payments * share), weight: done.weight + weight };
    add(thisHour - (23 - index) * HOUR, now.sats - done.sats, now.payments - done.payments);
    done = now;
  });
  return { ...stats, recentPayments, revenueByHour: [...hours.values()] };
}

function sum(numbers) {
  return numbers.reduce((total, number) => total + number, 0);
}

/** Opens a page in a new context and writes a screenshot of the viewport. */
async function screenshot(name, viewport, open) {
  const look = { deviceScaleFactor: 1.5, colorScheme: 'light', locale: 'en-US', timezoneId: 'UTC', reducedMotion: 'reduce' };
  const context = await browser.newContext({ viewport, ...look });
  const page = await context.newPage();
  await open(page);
  const path = join(images, `${name}.png`);
  await page.screenshot({ path });
  await context.close();
  const { size } = statSync(path);
  console.log(`docs/images/${name}.png: ${Math.round(size / 1000)} KB`);
  if (size > MAX_BYTES) throw new Error(`docs/images/${name}.png has more than ${MAX_BYTES / 1000} KB`);
}
