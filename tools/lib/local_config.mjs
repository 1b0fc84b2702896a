// The configuration with which `make dev` runs a Worker: the owner's Wrangler file without the settings that work only in a deployment.
import { existsSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { experimental_readRawConfig, unstable_readConfig } from 'wrangler';

/** Returns the Wrangler file of a folder: the file that Wrangler itself would use. */
export function findConfig(folder) {
  const file = ['wrangler.json', 'wrangler.jsonc', 'wrangler.toml'].map((name) => join(folder, name)).find(existsSync);
  if (!file) throw new Error(`${folder} has no wrangler.toml, wrangler.json or wrangler.jsonc`);
  return file;
}

/**
 * Returns the configuration in a Wrangler file, without
 * - `routes` and `dev`: with a route, each request would have the host of the route;
 * - `build`: if it failed, Wrangler would stop;
 * - `secrets`: Wrangler would ignore each variable of .dev.vars that is not listed there;
 * - `services` and `tail_consumers`: these Workers do not run here;
 * - the variables of further wallets and of the callbacks, so that test payments do not reach them. .dev.vars can set them.
 * Throws if Wrangler would not accept the file.
 */
export function localConfig(file) {
  unstable_readConfig({ config: file }, { hideWarnings: true });
  const { route, routes, dev, build, secrets, services, tail_consumers, vars = {}, ...rest } = read(file);
  const isLocal = ([name]) => name !== 'ON_PAYMENT_URL' && !/^LNBITS_URL_\d$/.test(name);
  return { ...rest, vars: Object.fromEntries(Object.entries(vars).filter(isLocal)) };
}

/** Returns the folders with the sources of a Worker: those in `watch_dir` of its Wrangler file. */
export function sourceFolders(file) {
  const names = [read(file).build?.watch_dir ?? []].flat();
  return names.map((name) => join(dirname(file), name)).filter((path) => statSync(path, { throwIfNoEntry: false })?.isDirectory());
}

const read = (file) => experimental_readRawConfig({ config: file }).rawConfig;
