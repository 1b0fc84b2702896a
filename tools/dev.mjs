// `make dev`: LNbits, a demo origin, and the Worker in front of it, until Ctrl-C.
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
let isOpen = false;
try {
  for (const [name, port] of Object.entries(ports)) {
    if (!(await freePort(port))) throw new Error(`port ${port} is taken: end what uses it, or choose another: make dev ${name}=…`);
  }
  console.log('  starting LNbits …');
  const mayCallBack = { LNBITS_CALLBACK_URL_RULES: '', LNBITS_CALLBACK_ALLOW_PRIVATE_IPS: 'true' };
  const lnbits = await startLnbits(run, { dataDir: join(root, '.tools/dev/lnbits'), port: ports.LNBITS_PORT, env: mayCallBack });
  const origin = await startOrigin(ports.ORIGIN_PORT);
  writeDevVars({
    TOLL_SECRET: { make: () => randomBytes(32).toString('hex') },
    ADMIN_TOKEN: { make: () => randomBytes(32).toString('hex') },
    PUBLIC_URL: { make: () => `http://127.0.0.1:${ports.PORT}`, isOurs: isLocal },
    ORIGIN_URL: { make: () => `http://127.0.0.1:${origin.address().port}`, isOurs: isLocal },
    LNBITS_URL: { make: () => lnbits.url, isOurs: isLocal },
    LNBITS_KEY: { make: () => lnbits.merchant.invoiceKey, isOurs: (_, vars) => isLocal(vars.LNBITS_URL) },
  });
  console.log('  starting the Worker …');
  const state = join(root, '.wrangler/state');
  const wrangler = await startWrangler(run, ['--port', String(ports.PORT), '--persist-to', state], {
    onLine: (line) => isOpen && line.trim() && console.log(`  │ ${line}`),
  });
  for (const { server } of [lnbits, wrangler]) server.ended().then(() => end(`${server.name} ended:\n${server.tail()}`));
  console.log(help(wrangler.url));
  isOpen = true;
} catch (error) {
  await end(error.message);
}

/** Ends everything and says why, unless it is being ended. */
async function end(reason) {
  if (run.isEnding) return;
  console.error(`edgetoll: ${reason}`);
  await run.end();
  process.exit(1);
}

/** `.dev.vars` is the user's: what is missing is added, and only what points to this machine's own servers is kept right. */
function writeDevVars(wanted) {
  const file = join(root, '.dev.vars');
  const lines = existsSync(file) ? readFileSync(file, 'utf8').split('\n') : ['# Made by `make dev` for `wrangler dev`; never deployed.'];
  const find = (name) => lines.findIndex((line) => line.startsWith(`${name}=`));
  const vars = Object.fromEntries(Object.keys(wanted).map((name) => [name, lines[find(name)]?.slice(name.length + 1)]));
  for (const [name, { make, isOurs }] of Object.entries(wanted)) {
    const at = find(name);
    if (at < 0) lines.push(`${name}=${make()}`);
    else if (isOurs?.(vars[name], vars)) lines[at] = `${name}=${make()}`;
  }
  writeFileSync(file, `${lines.filter((line, at) => line || at < lines.length - 1).join('\n').trimEnd()}\n`, { mode: 0o600 });
}

function isLocal(url = '') {
  return /^"?http:\/\/(127\.0\.0\.1|localhost)[:/]/.test(url);
}

function help(url) {
  return `
  The paywall is open at ${url}. Try it in another terminal:

    See the price      curl -i ${url}/api/joke
    Pay it             credential=$(curl -s ${url}/api/joke | node demo/pay.mjs)
    Get what you paid  curl -i ${url}/api/joke -H "Authorization: $credential"

    As people do it    open ${url}/api/data in a browser, copy its invoice, and: node demo/pay.mjs lnbc…
    What is free       curl -i ${url}/
    Sell a document    credential=$(curl -s -X POST ${url}/convert/html | node demo/pay.mjs)
                       curl ${url}/convert/html -H "Authorization: $credential" --data-binary @README.md

    See what came in   ${url}/_toll/ in a browser, with the ADMIN_TOKEN of .dev.vars

  The price list is in wrangler.toml; change it and save. Ctrl-C ends everything.
`;
}
