// `make dev`: runs LNbits, the demo origin, and the Worker in front of it, until Ctrl-C. Serves each saved change of the Wrangler file
// and of .dev.vars, and builds the Worker after each change of its sources. A change with a mistake is reported and not served.
//   node tools/dev.mjs [FOLDER]   runs the Worker whose Wrangler file is in FOLDER, instead of that of this project
//   WALLET=nwc                    the Worker reaches its wallet over a local relay (Nostr Wallet Connect), instead of calling LNbits
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, rmSync, watch, watchFile, writeFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { startOrigin } from '../demo/origin.mjs';
import { startRates } from '../demo/rates.mjs';
import { firstForSale } from '../demo/welcome.mjs';
import { setPriceSource, startLnbits } from './lib/lnbits.mjs';
import { findConfig, localConfig, sourceFolders } from './lib/local_config.mjs';
import { LocalWorker } from './lib/local_worker.mjs';
import { RECEIVE_ONLY, newConnection, startNwcWallet, startRelay } from './lib/nwc.mjs';
import { Run, freePort, root } from './lib/run.mjs';

/** Wrangler's list of bindings, which it prints again after each change. */
const BINDINGS = /^(Using secrets defined|Your Worker has access|Binding |env\.)/;

const folder = resolve(root, process.argv[2] ?? '.');
const devVars = join(folder, '.dev.vars');
const served = join(folder, '.wrangler.dev.json');

const run = Run.begin('dev');
process.once('exit', () => rmSync(served, { force: true }));
try {
  const ports = { PORT: portOf('PORT', 8787), ORIGIN_PORT: portOf('ORIGIN_PORT', 3402), LNBITS_PORT: portOf('LNBITS_PORT', 5402) };
  for (const [name, port] of Object.entries(ports)) await requireFree(name, port);
  const kind = process.env.WALLET || 'lnbits';
  if (!['lnbits', 'nwc'].includes(kind)) throw new Error(`WALLET=${kind} is not a kind of wallet: choose lnbits or nwc`);
  const file = findConfig(folder);
  const config = await readConfig(file);

  console.log('  starting LNbits …');
  // By default, LNbits calls no webhooks on private addresses, such as the address of this Worker.
  const allowWebhooks = { LNBITS_CALLBACK_URL_RULES: '', LNBITS_CALLBACK_ALLOW_PRIVATE_IPS: 'true' };
  const dataDir = process.env.LNBITS_DATA ?? join(root, '.tools/dev/lnbits');
  const lnbits = await startLnbits(run, { dataDir, port: ports.LNBITS_PORT, env: allowWebhooks });
  lnbits.server.ended().then(() => end(`lnbits stopped:\n${lnbits.server.tail()}`));
  await setPriceSource(lnbits, await startRates());
  let worker;
  await startOrigin(ports.ORIGIN_PORT, { priceList: () => worker.config.vars.TOLL });
  writeDevVars({
    TOLL_SECRET: { create: () => randomBytes(32).toString('hex') },
    ADMIN_TOKEN: { create: () => randomBytes(32).toString('hex') },
    PUBLIC_URL: { create: () => `http://127.0.0.1:${ports.PORT}`, mayReplace: isLocal },
    ORIGIN_URL: { create: () => `http://127.0.0.1:${ports.ORIGIN_PORT}`, mayReplace: isLocal },
    ...(kind === 'nwc' ? await nwcVars(lnbits) : lnbitsVars(lnbits)),
  });

  console.log('  starting the Worker …');
  worker = await LocalWorker.start(run, {
    file: served,
    config,
    args: ['--port', String(ports.PORT), '--persist-to', join(folder, '.wrangler/state')],
    cwd: folder,
    onLine: (line) => line.trim() && !BINDINGS.test(line) && console.log(`  │ ${line}`),
    onEnd: end,
  });
  console.log(help(worker.url, firstForSale(config.vars.TOLL) ?? '/', file));

  onSave(file, async () => worker.serve(await readConfig(file)));
  onSave(devVars, () => worker.serve(worker.config));
  for (const sources of sourceFolders(file)) {
    onSaveBelow(sources, async () => {
      await command('tools/build.sh', process.argv.slice(2, 3));
      await worker.serve(worker.config);
    });
  }
} catch (error) {
  await end(error.message);
}

function lnbitsVars(lnbits) {
  return {
    NWC_URL: { mayReplace: isLocalNwc },
    LNBITS_URL: { create: () => lnbits.url, mayReplace: isLocal },
    LNBITS_KEY: { create: () => lnbits.merchant.invoiceKey, mayReplace: (_, vars) => isLocal(vars.LNBITS_URL) },
  };
}

/** Starts a relay and a wallet service in front of LNbits. The connection may only receive. */
async function nwcVars(lnbits) {
  const port = portOf('RELAY_PORT', 4402);
  await requireFree('RELAY_PORT', port);
  const relay = await startRelay({ port });
  const connection = newConnection(relay);
  const wallet = { lnbitsUrl: lnbits.url, adminKey: lnbits.merchant.adminKey };
  const { server } = await startNwcWallet(run, connection, wallet, { methods: RECEIVE_ONLY, notifies: true });
  server.ended().then(() => end(`the wallet service stopped:\n${server.tail()}`));
  return {
    // The key first: the URL says whether it belongs to a local server.
    LNBITS_KEY: { mayReplace: (_, vars) => isLocal(vars.LNBITS_URL) },
    LNBITS_URL: { mayReplace: isLocal },
    NWC_URL: { create: () => connection.url, mayReplace: isLocalNwc },
  };
}

/** Stops all servers and prints the reason, unless they are being stopped already. */
async function end(reason) {
  if (run.isEnding) return;
  console.error(`edgetoll: ${reason}`);
  await run.end();
  process.exit(1);
}

function portOf(name, byDefault) {
  const port = Number(process.env[name] || byDefault);
  if (Number.isInteger(port) && port > 0 && port < 65_536) return port;
  throw new Error(`${name}=${process.env[name]} is not a port: choose a number from 1024 to 65535`);
}

async function requireFree(name, port) {
  if (await freePort(port)) return;
  throw new Error(`port ${port} is in use: stop the program that uses it, or choose another port with make dev ${name}=…`);
}

/** Returns the configuration to serve. Prints what `edgetoll check` says about the file, and throws if it has mistakes. */
async function readConfig(file) {
  await command('cargo', ['run', '--quiet', '--bin', 'edgetoll', '--', 'check', relative(root, file)]);
  return localConfig(file);
}

/** Runs a command in the project's folder, prints its output, and throws if it fails. */
function command(name, args) {
  return new Promise((resolve, reject) => {
    execFile(name, args, { cwd: root }, (error, stdout, stderr) => {
      const output = (stdout + stderr).trimEnd();
      if (!error) console.log(output);
      error ? reject(new Error(error.code === 'ENOENT' ? `${name} is missing: run make dev, which says how to install it` : output)) : resolve();
    });
  });
}

let saves = Promise.resolve();

/** Runs an action after each change of a file. */
function onSave(file, action) {
  // Polls, because many editors replace a file when they save it, and events about the first file end then.
  watchFile(file, { interval: 200 }, () => inTurn(action));
}

/** Runs an action after changes of files in a folder. */
function onSaveBelow(dir, action) {
  let timer;
  watch(dir, { recursive: true }, () => {
    clearTimeout(timer);
    timer = setTimeout(() => inTurn(action), 200);
  });
}

/** Runs an action after the earlier ones. If it fails, the previous version is still served. */
function inTurn(action) {
  saves = saves.then(action).catch(({ message }) => console.error(`${message}\nedgetoll: this change is not served. Correct the mistake and save again. Until then, the previous version is served.`));
}

/**
 * Adds missing variables to `.dev.vars`, which belongs to the user. Replaces only values that belong to a local server. A variable without
 * `create` is removed instead.
 */
function writeDevVars(wanted) {
  const lines = existsSync(devVars) ? readFileSync(devVars, 'utf8').split('\n') : ['# Written by `make dev` for `wrangler dev`. It is never deployed.'];
  const find = (name) => lines.findIndex((line) => line.startsWith(`${name}=`));
  const vars = Object.fromEntries(Object.keys(wanted).map((name) => [name, lines[find(name)]?.slice(name.length + 1)]));
  for (const [name, { create, mayReplace }] of Object.entries(wanted)) {
    const at = find(name);
    if (at < 0) create && lines.push(`${name}=${create()}`);
    else if (mayReplace?.(vars[name], vars)) lines.splice(at, 1, ...(create ? [`${name}=${create()}`] : []));
  }
  writeFileSync(devVars, `${lines.filter((line, at) => line || at < lines.length - 1).join('\n').trimEnd()}\n`, { mode: 0o600 });
}

function isLocal(url = '') {
  return /^"?http:\/\/(127\.0\.0\.1|localhost)[:/]/.test(url);
}

function isLocalNwc(url = '') {
  return /^"?nostr\+walletconnect:.*[?&]relay=ws(:|%3A)(\/|%2F){2}(127\.0\.0\.1|localhost)/i.test(url);
}

function help(url, path, file) {
  const shown = (name) => relative(process.cwd(), name);
  return `
  The paywall runs at ${url}. Try it in another terminal:

    Show the price     curl -i ${url}${path}
    Pay it             credential=$(curl -s ${url}${path} | node demo/pay.mjs)
    Use what you paid  curl -i --compressed ${url}${path} -H "Authorization: $credential"

    Everything for sale, with all commands   curl ${url}/
    The same in a browser                    ${url}/
    Pay the invoice of a pay page            node demo/pay.mjs lnbc…
    The dashboard                            ${url}/_toll/ (log in with the ADMIN_TOKEN of ${shown(devVars)})

  The price list is in ${shown(file)}: edit it and save. Ctrl-C stops everything.
`;
}
