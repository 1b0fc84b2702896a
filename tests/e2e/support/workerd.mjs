// The Worker in bare `workerd`. The proxy of `wrangler dev` normalizes URLs and methods before the Worker receives them; other
// environments may leave URLs and methods as they are.
import { randomBytes } from 'node:crypto';
import { copyFileSync, writeFileSync } from 'node:fs';
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
 * @param {string} [options.storage] the folder for the storage of the Durable Objects; a new folder by default
 * @param {[string, string][]} [options.moreObjects] further Durable Objects: the names of their bindings and their classes
 */
export async function startBareWorker({ toll, vars = {}, kv, entry, storage = run.folder('objects'), moreObjects = [] }) {
  const dir = run.folder('workerd');
  for (const file of ['index.js', 'index_bg.wasm']) copyFileSync(join(run.dir, 'build', file), join(dir, file));
  if (entry) writeFileSync(join(dir, 'entry.js'), entry);
  const port = await freePort();
  const settings = {
    TOLL_SECRET: randomBytes(32).toString('hex'),
    ...defaultWallet(vars),
    ...vars,
  };
  const texts = Object.entries(settings).map(([name, text]) => `(name = "${name}", text = ${JSON.stringify(text)})`);
  const bindings = [...texts, `(name = "TOLL", json = ${JSON.stringify(JSON.stringify({ ...unlimited, ...toll }))})`];
  const modules = [...(entry ? ['entry.js'] : []), 'index.js'].map((file) => `(name = "${file}", esModule = embed "${file}")`);
  const objects = [['METER', 'Meter'], ['FREE_TIER_EXACT', 'FreeTierCounter'], ['NWC_CONNECTION', 'NwcConnection'], ...moreObjects];
  if (kv) bindings.push('(name = "TOLL_KV", kvNamespace = "kv")');
  writeFileSync(
    join(dir, 'config.capnp'),
    `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = (
      modules = [${modules.join(', ')}, (name = "index_bg.wasm", wasm = embed "index_bg.wasm")],
      compatibilityDate = "2026-11-01",
      globalOutbound = "net",
      bindings = [${bindings.join(', ')}, ${objects.map(([name, Class]) => `(name = "${name}", durableObjectNamespace = "${Class}")`).join(', ')}],
      durableObjectNamespaces = [${objects.map(([, Class]) => `(className = "${Class}", uniqueKey = "${Class}", enableSql = true)`).join(', ')}],
      durableObjectStorage = (localDisk = "disk"),
    )),
    (name = "disk", disk = (path = "${storage}", writable = true)),
    (name = "net", network = (allow = ["private", "public", "local"])),
    ${kv ? `(name = "kv", external = (address = "${kv}", http = ())),` : ''}
  ],
  sockets = [(name = "http", address = "127.0.0.1:${port}", http = (cfBlobHeader = "Cf-Blob"), service = "main")],
);
`,
  );
  const server = run.start('workerd', join(root, 'node_modules/.bin/workerd'), ['serve', join(dir, 'config.capnp')]);
  const url = `http://127.0.0.1:${port}`;
  await server.until(async () => (await send(url, '/_toll/health').catch(() => undefined))?.status === 200);
  return { url, server, logged: (pattern) => server.until(() => pattern.test(server.tail()), 10) };
}
