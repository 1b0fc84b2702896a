// Runs the command `edgetoll`, as a user of its own with a configuration, a journal and a wallet.
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { call } from '../../../tools/lib/lnbits.mjs';
import { lnbits, run } from './paywall.mjs';

/** The command. `make test` copies it before the tests begin. */
const program = join(run.dir, 'edgetoll');

/** Creates a user. The wallet is the payer's wallet of LNbits, unless `settings` (keys of config.toml) say something else. */
export function newUser(settings = { lnbits_url: lnbits.url, lnbits_admin_key: lnbits.payer.adminKey }) {
  const home = run.folder('user');
  const config = join(home, 'config.toml');
  writeFileSync(config, Object.entries(settings).map(([key, value]) => `${key} = ${JSON.stringify(value)}\n`).join(''));
  const env = { PATH: process.env.PATH, HOME: home, EDGETOLL_CONFIG: config };
  const start = (args, { input, more = {} } = {}) => startCommand(args, { ...env, ...more }, input);
  return {
    home,
    config,
    journal: join(home, '.local/share/edgetoll/payments.jsonl'),
    start,
    /** Runs the command until it ends. Returns exit code, output and errors. */
    command: async (...args) => start(args).ended,
    /** Runs `edgetoll fetch`. */
    fetch: async (...args) => start(['fetch', ...args]).ended,
    payments: async () => JSON.parse((await start(['payments', '--json']).ended).stdout).payments,
  };
}

function startCommand(args, env, input) {
  const child = spawn(program, args, { env, stdio: ['pipe', 'pipe', 'pipe'] });
  child.stdin.on('error', () => {}).end(input);
  const output = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr']) child[name].setEncoding('utf8').on('data', (text) => (output[name] += text));
  const ended = new Promise((resolve) => child.on('close', (code, signal) => resolve({ code: code ?? signal, ...output })));
  const exited = new Promise((resolve) => child.on('exit', resolve));
  // A program that the command has started may keep its output open, so `ended` may never resolve after a kill.
  const kill = () => {
    child.kill('SIGKILL');
    return exited;
  };
  return { ended, kill };
}

/** Returns the payments that the payer's wallet made while `action` ran, in satoshis, according to LNbits, and what `action` returned. */
export async function paidDuring(action) {
  const payments = async () => {
    const headers = { 'X-Api-Key': lnbits.payer.invoiceKey };
    return (await call(`${lnbits.url}/api/v1/payments?limit=1000`, 'GET', undefined, headers)).filter(({ amount, status }) => amount < 0 && status === 'success');
  };
  const before = new Set((await payments()).map(({ payment_hash: hash }) => hash));
  const result = await action();
  const paid = (await payments()).filter(({ payment_hash: hash }) => !before.has(hash)).map(({ amount }) => -amount / 1000);
  return { paid, result };
}

/** Creates an invoice of the merchant's wallet. */
export async function newInvoice(sats, { expiry = 600 } = {}) {
  const order = { out: false, amount: sats, expiry, memo: 'a test' };
  return call(`${lnbits.url}/api/v1/payments`, 'POST', order, { 'X-Api-Key': lnbits.merchant.invoiceKey });
}

/** Whether an invoice is paid, according to the merchant's wallet. */
export async function isPaid(paymentHash) {
  const found = await call(`${lnbits.url}/api/v1/payments/${paymentHash}`, 'GET', undefined, { 'X-Api-Key': lnbits.merchant.invoiceKey });
  return found.paid;
}
