// Starts the real Worker under `wrangler dev`, with the settings of wrangler.toml and the settings that a test overrides. By
// default, the Worker uses the LNbits of the test run: over HTTP, or over Nostr Wallet Connect if EDGETOLL_NWC_URL is set.
import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after } from 'node:test';
import { experimental_readRawConfig } from 'wrangler';
import { call, pay as payInvoice } from '../../../tools/lib/lnbits.mjs';
import { Run, root, writeJson } from '../../../tools/lib/run.mjs';
import { startWrangler } from '../../../tools/lib/worker.mjs';

if (!process.env.EDGETOLL_RUN) throw new Error('run these tests with `make test`');
export const run = Run.join(process.env.EDGETOLL_RUN);
export const lnbits = JSON.parse(process.env.EDGETOLL_LNBITS);
after(() => run.end());

/**
 * Starts a paywall.
 * @param {object} options
 * @param {object} [options.toll] the price list; `null` for no price list
 * @param {object} [options.vars] variables and secrets; `undefined` removes a variable or secret
 * @param {object} [options.config] keys of the Wrangler configuration
 * @param {string} [options.state] the folder for KV and Durable Object storage; a new folder by default
 * @param {number} [options.port] the port to listen on; any free port by default
 * @param {string[]} [options.args] additional arguments for `wrangler dev`
 */
export async function startPaywall(options = {}) {
  const dir = run.folder('paywall');
  const { config, secrets } = configFor(options);
  const file = writeConfig(dir, config);
  writeSecrets(dir, secrets);
  const { state = join(dir, 'state'), port = 0, args = [] } = options;
  const { url, server } = await startWrangler(run, ['-c', file, '--port', String(port), '--persist-to', state, ...args], { cwd: dir });
  const log = () => readFileSync(server.log, 'utf8');
  // Waits for the log line, which may arrive after the response.
  const logged = (pattern) => server.until(() => pattern.test(log()), 10);
  return { url, server, dir, secret: secrets.TOLL_SECRET, log, logged };
}

/** Returns the Wrangler configuration of a paywall, and its secrets. */
export function configFor({ toll, vars = {}, config = {} }) {
  const { build, dev, ...rest } = settings();
  const secrets = {
    TOLL_SECRET: randomBytes(32).toString('hex'),
    ...defaultWallet(vars),
    ...vars,
  };
  const complete = {
    ...rest,
    main: join(run.dir, 'build/index.js'),
    assets: { ...rest.assets, directory: join(run.dir, rest.assets.directory) },
    vars: toll === null ? {} : { TOLL: { ...unlimited, ...(toll ?? rest.vars.TOLL) } },
    ratelimits: [{ ...rest.ratelimits[0], simple: { limit: HIGH_LIMIT, period: 60 } }],
    ...config,
  };
  return { config: complete, secrets };
}

/** Returns the settings of the wallet of the test run. A test that sets a wallet itself gets the LNbits as slot 1. */
export function defaultWallet(vars) {
  const url = process.env.EDGETOLL_NWC_URL;
  const setsWallet = Object.keys(vars).some((name) => /^(LNBITS|NWC)_/.test(name));
  return url && !setsWallet ? { NWC_URL: url } : { LNBITS_URL: lnbits.url, LNBITS_KEY: lnbits.merchant.invoiceKey };
}

const HIGH_LIMIT = 1_000_000;
/** Rate limits that no test reaches: most tests send more requests than one client may send in a minute. */
export const unlimited = { challenges_per_minute: HIGH_LIMIT, invoices_per_minute: HIGH_LIMIT };

/** The settings of wrangler.toml. */
export const settings = () => experimental_readRawConfig({ config: join(root, 'wrangler.toml') }).rawConfig;

/** A configuration without the ledger, which looks up every payment at LNbits in the background. */
export const withoutLedger = () => ({
  durable_objects: { bindings: settings().durable_objects.bindings.filter(({ name }) => name !== 'LEDGER') },
});

/** Writes a Wrangler configuration into a folder; returns the file name. */
export function writeConfig(dir, config, name = 'wrangler.json') {
  const file = join(dir, name);
  writeJson(file, config);
  return file;
}

/** Writes the secrets of the Workers configured in a folder to .dev.vars, whose values Wrangler does not print. */
export function writeSecrets(dir, secrets) {
  const lines = Object.entries(secrets).filter(([, value]) => value !== undefined);
  writeFileSync(join(dir, '.dev.vars'), lines.map(([name, value]) => `${name}="${value}"\n`).join(''));
}

/** Pays an invoice from the payer's wallet; returns the preimage. */
export const pay = (bolt11) => payInvoice(lnbits.url, lnbits.payer, bolt11);

/** Returns the number of invoices that the merchant's wallet has for a route. */
export async function invoicesFor(route) {
  const headers = { 'X-Api-Key': lnbits.merchant.invoiceKey };
  const payments = await call(`${lnbits.url}/api/v1/payments?limit=1000`, 'GET', undefined, headers);
  return payments.filter(({ extra }) => (extra.nwc ?? extra).route === route).length;
}
