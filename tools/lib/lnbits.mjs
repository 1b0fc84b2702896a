// A real LNbits with its FakeWallet: invoices are valid BOLT 11, and payments between its wallets settle at once.
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { freePort, readable, root, writeJson } from './run.mjs';

/**
 * Starts LNbits with a data folder. The first start creates the wallet of a merchant, and the wallet of a payer with 1,000,000 sats.
 * Returns the keys of the wallets, the URL, the server, and `pay(bolt11)`, which pays from the payer's wallet.
 * @param {object} [options.env] LNbits settings that override those of `environment`
 * @param {string} [options.venv] the virtual environment in .tools/ with the LNbits to run
 */
export async function startLnbits(run, { dataDir, port, env = {}, venv = 'lnbits' }) {
  port ??= await freePort();
  mkdirSync(dataDir, { recursive: true });
  // LNbits looks for its templates below the working directory.
  const link = join(dataDir, 'lnbits');
  rmSync(link, { force: true });
  symlinkSync(sitePackages(venv), link);
  const url = `http://127.0.0.1:${port}`;
  // The first line of bin/lnbits names the Python of the folder in which it was installed. The folder may have been moved since.
  const [python, program] = ['python', 'lnbits'].map((name) => join(root, '.tools', venv, 'bin', name));
  const server = run.start('lnbits', python, [program], { cwd: dataDir, env: { ...environment(dataDir, port, url), ...env } });
  await server.until(() => answers(`${url}/api/v1/health`));
  const wallets = await bootstrap(url, join(dataDir, 'wallets.json'));
  return { ...wallets, url, server, pay: (bolt11) => pay(url, wallets.payer, bolt11) };
}

/** Pays an invoice from a wallet and returns the preimage. */
export async function pay(url, wallet, bolt11) {
  const payment = await call(`${url}/api/v1/payments`, 'POST', { out: true, bolt11 }, { 'X-Api-Key': wallet.adminKey });
  // The status of the response is not enough: LNbits responds with 201 even to some payments that did not succeed.
  if (payment.status !== 'success') throw new Error(`LNbits did not pay: ${payment.status}`);
  return payment.preimage;
}

/** Calls LNbits and returns the JSON of the response. Throws unless the status is 2xx. */
export async function call(url, method, body, headers = {}) {
  const response = await fetch(url, {
    method,
    headers: { 'Content-Type': 'application/json', ...headers },
    body: body && JSON.stringify(body),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`LNbits answered ${response.status} to ${method} ${new URL(url).pathname}: ${text}`);
  return JSON.parse(text);
}

/** Makes an LNbits read exchange rates from a server with the paths `/rate/USD` and so on, instead of reading none. */
export async function setPriceSource({ url, password }, source) {
  const { access_token } = await call(`${url}/api/v1/auth`, 'POST', { username: 'admin', password });
  // LNbits keeps this setting in its database, and ignores the environment variable after the first start.
  const settings = { lnbits_price_aggregator_enabled: true, lnbits_price_aggregator_url: source };
  await call(`${url}/admin/api/v1/settings`, 'PATCH', settings, { Authorization: `Bearer ${access_token}` });
}

async function bootstrap(url, file) {
  const known = readable(file);
  if (known) {
    // The URL is written again, because the port may differ from that of the previous start.
    writeJson(file, { ...known, url });
    return known;
  }
  const password = randomBytes(16).toString('hex');
  const install = { username: 'admin', password, password_repeat: password };
  const { access_token } = await call(`${url}/api/v1/auth/first_install`, 'PUT', install);
  const headers = { Authorization: `Bearer ${access_token}` };
  const wallet = async (name) => {
    const { id, inkey, adminkey } = await call(`${url}/api/v1/wallet`, 'POST', { name }, headers);
    return { id, invoiceKey: inkey, adminKey: adminkey };
  };
  const [merchant, payer] = [await wallet('merchant'), await wallet('payer')];
  await call(`${url}/users/api/v1/balance`, 'PUT', { id: payer.id, amount: 1_000_000 }, headers);
  const wallets = { url, merchant, payer, password };
  writeJson(file, wallets);
  return wallets;
}

async function answers(url) {
  try {
    await fetch(url, { redirect: 'manual' });
    return true;
  } catch {
    return false;
  }
}

function sitePackages(venv) {
  const found = ['3.12', '3.11', '3.10'].map((v) => join(root, '.tools', venv, `lib/python${v}/site-packages/lnbits`)).find(existsSync);
  if (!found) throw new Error('LNbits is not installed: `make dev` or `make test` installs it');
  return found;
}

// All environment variables that LNbits gets: it inherits none from this process. These settings keep LNbits from
// sending requests to the Internet.
const environment = (dataDir, port, url) => ({
  PATH: '/usr/local/bin:/usr/bin:/bin',
  HOME: dataDir,
  HOST: '127.0.0.1',
  PORT: String(port),
  FORWARDED_ALLOW_IPS: '127.0.0.1',
  LNBITS_BASEURL: `${url}/`,
  LNBITS_DATA_FOLDER: join(dataDir, 'data'),
  LNBITS_EXTENSIONS_PATH: join(dataDir, 'data'),
  LNBITS_BACKEND_WALLET_CLASS: 'FakeWallet',
  LNBITS_ADMIN_UI: 'true',
  LNBITS_EXTENSIONS_DEACTIVATE_ALL: 'true',
  LNBITS_EXTENSIONS_DEFAULT_INSTALL: '',
  LNBITS_EXTENSIONS_MANIFESTS: '',
  LNBITS_WASM_EXTENSIONS_MANIFESTS: '',
  LNBITS_PRICE_AGGREGATOR_ENABLED: 'false',
  LNBITS_EXCHANGE_RATE_PROVIDERS: '[]',
  LNBITS_RATE_LIMIT_NO: '1000000',
  LNBITS_RATE_LIMIT_UNIT: 'second',
});
