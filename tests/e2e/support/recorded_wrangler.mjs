// A stand-in for Wrangler, because the real one deploys only to Cloudflare. It records how it is called, and answers as Wrangler 4 does.
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Installs the stand-in into a folder.
 * @param {string} folder
 * @param {object} options
 * @param {string[]} [options.secrets] the names of the secrets that Cloudflare has; without them, the Worker does not exist yet
 * @param {boolean} [options.canList]
 * @param {boolean} [options.canDeploy]
 * @returns a function that returns the calls: `{ args, input }`
 */
export function installWrangler(folder, { secrets, canList = true, canDeploy = true } = {}) {
  const home = join(folder, 'node_modules/wrangler');
  mkdirSync(join(home, 'bin'), { recursive: true });
  mkdirSync(join(folder, 'node_modules/.bin'), { recursive: true });
  writeFileSync(join(home, 'package.json'), JSON.stringify({ name: 'wrangler', version: '4.164.0', bin: { wrangler: './bin/wrangler.js' } }));
  const log = join(folder, 'wrangler-calls');
  writeFileSync(log, '');
  const program = `#!/usr/bin/env node
const { appendFileSync, readFileSync } = require('node:fs');
const args = process.argv.slice(2);
const input = args[1] === 'put' ? readFileSync(0, 'utf8') : undefined;
appendFileSync(${JSON.stringify(log)}, JSON.stringify({ args, input }) + '\\n');
const secrets = ${JSON.stringify(secrets ?? null)};
switch (args.slice(0, 2).join(' ').replace(/^deploy .*/, 'deploy')) {
  case 'secret list':
    if (!${canList}) console.error('✘ [ERROR] A request to the Cloudflare API (/accounts/x/workers/scripts/paid/secrets) failed.\\n\\n  Internal error [code: 10013]');
    else if (secrets) console.log(JSON.stringify(secrets.map((name) => ({ name, type: 'secret_text' })), null, 2));
    else console.error('✘ [ERROR] Worker "paid" not found.\\n\\n  If this is a new Worker, run \`wrangler deploy\` first to create it.');
    process.exit(${canList} && secrets ? 0 : 1);
  case 'secret put':
    console.log('✨ Success! Uploaded secret ' + args[2]);
    break;
  case 'deploy':
    if (!${canDeploy}) process.exit(1);
    if (args.includes('--dry-run')) console.log('--dry-run: exiting now.');
    else {
      appendFileSync(process.env.WRANGLER_OUTPUT_FILE_PATH, JSON.stringify({ type: 'deploy', version: 1, targets: ['https://paid.example.workers.dev'] }) + '\\n');
      console.log('Uploaded paid (2.01 sec)\\nDeployed paid triggers (0.32 sec)\\n  https://paid.example.workers.dev\\nCurrent Version ID: 00000000-0000-0000-0000-000000000000');
    }
}
`;
  writeFileSync(join(home, 'bin/wrangler.js'), program, { mode: 0o755 });
  symlinkSync('../wrangler/bin/wrangler.js', join(folder, 'node_modules/.bin/wrangler'));
  return () => readFileSync(log, 'utf8').trim().split('\n').filter(Boolean).map((line) => JSON.parse(line));
}
