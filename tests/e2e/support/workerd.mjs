// The Worker in bare `workerd`. The proxy of `wrangler dev` normalizes URLs and methods before the Worker receives them; other
// environments may leave URLs and methods as they are.
import { randomBytes } from 'node:crypto';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { freePort, root } from '../../../tools/lib/run.mjs';
import { send } from './client.mjs';
import { defaultWallet, run, unlimited } from './paywall.mjs';

/**
 * Starts the Worker in `workerd`. The header `Cf-Blob` of a request sets `request.cf`.
 * @param {object} options
 * @param {object} options.toll the price list
 * @param {object} [options.vars] variables and secrets
 * @param {string} [options.kv] the address of a server for the KV namespace TOLL_KV
 * @param {string} [options.entry] the source of a module that runs in place of index.js and can import it
 * @param {string} [options.boundTo] the URL of an origin: a Worker that only forwards requests to it is bound as the service ORIGIN
 * @param {string} [options.storage] the folder for the storage of the Durable Objects; a new folder by default
 * @param {Record<string, string>} [options.objects] the bindings of the Durable Objects, and their classes
 */
export async function startBareWorker({ toll, vars = {}, kv, entry, boundTo, storage = run.folder('objects'), objects = OBJECTS }) {
  const settings = {
    TOLL_SECRET: randomBytes(32).toString('hex'),
    ...defaultWallet(vars),
    ...vars,
  };
  const bindings = [...texts(settings), `(name = "TOLL", json = ${JSON.stringify(JSON.stringify({ ...unlimited, ...toll }))})`];
  const services = [];
  if (kv) {
    bindings.push('(name = "TOLL_KV", kvNamespace = "kv")');
    services.push(`(name = "kv", external = (address = "${kv}", http = ()))`);
  }
  if (boundTo) {
    bindings.push('(name = "ORIGIN", service = "bound")');
    services.push(forwardingWorker('bound', boundTo));
  }
  const namespaces = Object.entries(objects).map(([name, Class]) => `(name = "${name}", durableObjectNamespace = "${Class}")`);
  const classes = Object.values(objects).map((Class) => `(className = "${Class}", uniqueKey = "${Class}", enableSql = true)`);
  const names = [...(entry ? ['entry.js'] : []), 'index.js'];
  const main = `(name = "main", worker = (
      modules = [${names.map((file) => `(name = "${file}", esModule = embed "${file}")`)}, (name = "index_bg.wasm", wasm = embed "index_bg.wasm")],
      compatibilityDate = "2026-11-01",
      globalOutbound = "net",
      bindings = [${[...bindings, ...namespaces]}],
      durableObjectNamespaces = [${classes}],
      durableObjectStorage = (localDisk = "disk"),
    ))`;
  const disk = `(name = "disk", disk = (path = "${storage}", writable = true))`;
  const worker = await serve([main, disk, ...services], (dir) => {
    for (const file of ['index.js', 'index_bg.wasm']) copyFileSync(join(run.dir, 'build', file), join(dir, file));
    if (entry) writeFileSync(join(dir, 'entry.js'), entry);
  });
  await worker.server.until(async () => (await send(worker.url, '/_toll/health').catch(() => undefined))?.status === 200);
  return worker;
}

/** The Durable Objects that most tests need. */
export const OBJECTS = { METER: 'Meter', FREE_TIER_EXACT: 'FreeTierCounter', NWC_CONNECTION: 'NwcConnection' };

/** Starts a Worker that only forwards requests to an origin, to compare with. */
export const startForwardingWorker = (originUrl) => serve([forwardingWorker('main', originUrl)], () => {});

/** Returns the configuration of a Worker that only forwards requests to an origin. */
const forwardingWorker = (name, originUrl) => `(name = "${name}", worker = (
      modules = [(name = "forward.js", esModule = ${JSON.stringify(readFileSync(join(root, 'benches/workers/pass.js'), 'utf8'))})],
      compatibilityDate = "2026-11-01",
      globalOutbound = "net",
      bindings = [${texts({ ORIGIN_URL: originUrl })}],
    ))`;

const texts = (values) => Object.entries(values).map(([name, text]) => `(name = "${name}", text = ${JSON.stringify(text)})`);

/** Starts `workerd` with these services, of which `main` gets the requests. `writeFiles` writes the modules into a folder. */
async function serve(services, writeFiles) {
  const dir = run.folder('workerd');
  writeFiles(dir);
  const port = await freePort();
  writeFileSync(
    join(dir, 'config.capnp'),
    `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    ${services.map((service) => `${service},`).join('\n    ')}
    (name = "net", network = (allow = ["private", "public", "local"])),
  ],
  sockets = [(name = "http", address = "127.0.0.1:${port}", http = (cfBlobHeader = "Cf-Blob"), service = "main")],
);
`,
  );
  const server = run.start('workerd', join(root, 'node_modules/.bin/workerd'), ['serve', join(dir, 'config.capnp')]);
  const url = `http://127.0.0.1:${port}`;
  await server.until(() => isListening(port));
  return { url, server, logged: (pattern) => server.until(() => pattern.test(server.tail()), 10) };
}

function isListening(port) {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => resolve(true));
    socket.on('error', () => resolve(false)).on('connect', () => socket.destroy());
  });
}
