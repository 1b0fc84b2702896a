// A paywall of a test's own: the real Worker under `wrangler dev`, with the settings of wrangler.toml but for what the test
// names. LNbits is the run's, and real.
import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after } from 'node:test';
import { experimental_readRawConfig } from 'wrangler';
import { call, pay as payInvoice } from '../../../tools/lib/lnbits.mjs';
import { Run, root, writeJson } from '../../../tools/lib/run.mjs';
import { startWrangler } from '../../../tools/lib/worker.mjs';

if (!process.env.EDGETOLL_RUN) throw new Error('these tests are run by `make test`');
export const run = Run.join(process.env.EDGETOLL_RUN);
export const lnbits = JSON.parse(process.env.EDGETOLL_LNBITS);
after(() => run.end());

/**
 * Starts a paywall.
 * @param {object} options
 * @param {object} [options.toll] the price list; `null` for none
 * @param {object} [options.vars] variables and secrets; `undefined` removes one
 * @param {object} [options.config] keys of the Wrangler configuration
 * @param {string} [options.state] the folder of its stores; a new one where absent
 * @param {number} [options.port] where it listens; any free port where absent
 * @param {string[]} [options.args] more arguments for `wrangler dev`
 */
export async function startPaywall(options = {}) {
  const dir = run.folder('paywall');
  const { config, secrets } = configFor(options);
  const file = writeConfig(dir, config);
  writeSecrets(dir, secrets);
  const { state = join(dir, 'state'), port = 0, args = [] } = options;
  const { url, server } = await startWrangler(run, ['-c', file, '--port', String(port), '--persist-to', state, ...args], { cwd: dir });
  const log = () => readFileSync(server.log, 'utf8');
  // What the Worker logs arrives after its answer.
  const logged = (pattern) => server.until(() => pattern.test(log()), 10);
  return { url, server, dir, secret: secrets.TOLL_SECRET, log, logged };
}

/** The Wrangler configuration of such a paywall, and its secrets. */
export function configFor({ toll, vars = {}, config = {} }) {
  const { build, ...kept } = settings();
  const secrets = {
    TOLL_SECRET: randomBytes(32).toString('hex'),
    LNBITS_URL: lnbits.url,
    LNBITS_KEY: lnbits.merchant.invoiceKey,
    ...vars,
  };
  const whole = {
    ...kept,
    main: join(run.dir, 'build/index.js'),
    assets: { ...kept.assets, directory: join(run.dir, kept.assets.directory) },
    vars: toll === null ? {} : { TOLL: { ...unlimited, ...(toll ?? kept.vars.TOLL) } },
    ratelimits: [{ ...kept.ratelimits[0], simple: { limit: MANY, period: 60 } }],
    ...config,
  };
  return { config: whole, secrets };
}

const MANY = 1_000_000;
/** What most tests ask for is more than one client may in a minute. */
export const unlimited = { challenges_per_minute: MANY, invoices_per_minute: MANY };

/** What wrangler.toml says. */
export const settings = () => experimental_readRawConfig({ config: join(root, 'wrangler.toml') }).rawConfig;

/** A configuration without the books, which ask LNbits about each payment by themselves. */
export const withoutBooks = () => ({
  durable_objects: { bindings: settings().durable_objects.bindings.filter(({ name }) => name !== 'LEDGER') },
});

/** Writes a Wrangler configuration into a folder; gives the file. */
export function writeConfig(dir, config, name = 'wrangler.json') {
  const file = join(dir, name);
  writeJson(file, config);
  return file;
}

/** Writes the secrets of the Workers that are configured in a folder, where Wrangler does not show them. */
export function writeSecrets(dir, secrets) {
  const lines = Object.entries(secrets).filter(([, value]) => value !== undefined);
  writeFileSync(join(dir, '.dev.vars'), lines.map(([name, value]) => `${name}="${value}"\n`).join(''));
}

/** Pays an invoice from the payer's wallet; gives the preimage. */
export const pay = (bolt11) => payInvoice(lnbits.url, lnbits.payer, bolt11);

/** How many invoices the merchant's wallet has for a route. */
export async function invoicesFor(route) {
  const headers = { 'X-Api-Key': lnbits.merchant.invoiceKey };
  const payments = await call(`${lnbits.url}/api/v1/payments?limit=1000`, 'GET', undefined, headers);
  return payments.filter((payment) => payment.extra.route === route).length;
}
