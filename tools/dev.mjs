// `make dev`: runs LNbits, the demo origin, and the Worker in front of it, until Ctrl-C.
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startOrigin } from '../demo/origin.mjs';
import { startLnbits } from './lib/lnbits.mjs';
import { Run, freePort, root } from './lib/run.mjs';
import { startWrangler } from './lib/worker.mjs';

const ports = {
  PORT: Number(process.env.PORT ?? 8787),
  ORIGIN_PORT: Number(process.env.ORIGIN_PORT ?? 3402),
  LNBITS_PORT: Number(process.env.LNBITS_PORT ?? 5402),
};

const run = Run.begin('dev');
let isReady = false;
try {
  for (const [name, port] of Object.entries(ports)) {
    if (!(await freePort(port))) {
      throw new Error(`port ${port} is in use: stop the program that uses it, or choose another port with make dev ${name}=…`);
    }
  }
  console.log('  starting LNbits …');
  // By default, LNbits calls no webhooks on private addresses, such as the address of this Worker.
  const allowWebhooks = { LNBITS_CALLBACK_URL_RULES: '', LNBITS_CALLBACK_ALLOW_PRIVATE_IPS: 'true' };
  const lnbits = await startLnbits(run, { dataDir: join(root, '.tools/dev/lnbits'), port: ports.LNBITS_PORT, env: allowWebhooks });
  const origin = await startOrigin(ports.ORIGIN_PORT, { paywallPort: ports.PORT });
  writeDevVars({
    TOLL_SECRET: { create: () => randomBytes(32).toString('hex') },
    ADMIN_TOKEN: { create: () => randomBytes(32).toString('hex') },
    PUBLIC_URL: { create: () => `http://127.0.0.1:${ports.PORT}`, mayReplace: isLocal },
    ORIGIN_URL: { create: () => `http://127.0.0.1:${origin.address().port}`, mayReplace: isLocal },
    LNBITS_URL: { create: () => lnbits.url, mayReplace: isLocal },
    LNBITS_KEY: { create: () => lnbits.merchant.invoiceKey, mayReplace: (_, vars) => isLocal(vars.LNBITS_URL) },
  });
  console.log('  starting the Worker …');
  const state = join(root, '.wrangler/state');
  const wrangler = await startWrangler(run, ['--port', String(ports.PORT), '--persist-to', state], {
    onLine: (line) => isReady && line.trim() && console.log(`  │ ${line}`),
  });
  for (const { server } of [lnbits, wrangler]) server.ended().then(() => end(`${server.name} stopped:\n${server.tail()}`));
  console.log(help(wrangler.url));
  isReady = true;
} catch (error) {
  await end(error.message);
}

/** Stops all servers and prints the reason, unless they are being stopped already. */
async function end(reason) {
  if (run.isEnding) return;
  console.error(`edgetoll: ${reason}`);
  await run.end();
  process.exit(1);
}

/** Adds missing variables to `.dev.vars`, which belongs to the user. Replaces only values that belong to a local server. */
function writeDevVars(wanted) {
  const file = join(root, '.dev.vars');
  const lines = existsSync(file) ? readFileSync(file, 'utf8').split('\n') : ['# Written by `make dev` for `wrangler dev`. It is never deployed.'];
  const find = (name) => lines.findIndex((line) => line.startsWith(`${name}=`));
  const vars = Object.fromEntries(Object.keys(wanted).map((name) => [name, lines[find(name)]?.slice(name.length + 1)]));
  for (const [name, { create, mayReplace }] of Object.entries(wanted)) {
    const at = find(name);
    if (at < 0) lines.push(`${name}=${create()}`);
    else if (mayReplace?.(vars[name], vars)) lines[at] = `${name}=${create()}`;
  }
  writeFileSync(file, `${lines.filter((line, at) => line || at < lines.length - 1).join('\n').trimEnd()}\n`, { mode: 0o600 });
}

function isLocal(url = '') {
  return /^"?http:\/\/(127\.0\.0\.1|localhost)[:/]/.test(url);
}

function help(url) {
  return `
  The paywall runs at ${url}. Try it in another terminal:

    Show the price     curl -i ${url}/api/joke
    Pay it             credential=$(curl -s ${url}/api/joke | node demo/pay.mjs)
    Use what you paid  curl -i ${url}/api/joke -H "Authorization: $credential"

    Everything for sale, with all commands   curl ${url}/
    The same in a browser                    ${url}/
    Pay the invoice of a pay page            node demo/pay.mjs lnbc…
    The dashboard                            ${url}/_toll/ (log in with the ADMIN_TOKEN of .dev.vars)

  The price list is in wrangler.toml: edit it and save. Ctrl-C stops everything.
`;
}
