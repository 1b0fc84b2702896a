// The npm package, as an owner without Rust uses it: in an empty folder, with nothing but Node and the npm registry.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { root, until } from '../../tools/lib/run.mjs';
import { buy, send } from './support/client.mjs';
import { startRecordingOrigin } from './support/origin.mjs';
import { invoicesFor, lnbits, pay, run } from './support/paywall.mjs';
import { tarball, unpackRelease, version } from './support/release.mjs';

// Outside of this repository, so that Node finds no package in a folder above.
const home = mkdtempSync(join(tmpdir(), 'edgetoll-package-'));
const bin = join(home, 'bin');
const env = {
  // How this machine reaches the npm registry, and what npm has downloaded before.
  ...Object.fromEntries(Object.entries(process.env).filter(([name]) => /^(npm_config_|(https?|no)_proxy$|NODE_EXTRA_CA_CERTS$)/i.test(name))),
  npm_config_userconfig: join(process.env.HOME, '.npmrc'),
  npm_config_cache: process.env.npm_config_cache ?? join(process.env.HOME, '.npm'),
  PATH: bin,
  HOME: home,
  CI: '1',
  WRANGLER_SEND_METRICS: 'false',
  CLOUDFLARE_CF_FETCH_ENABLED: 'false',
};
let origin;
before(async () => {
  origin = await startRecordingOrigin();
  mkdirSync(bin);
  // The only programs: Node, npm and a shell.
  for (const name of ['node', 'npm', 'npx']) symlinkSync(program(name), join(bin, name));
  for (const name of ['sh', 'env']) symlinkSync(`${existsSync(`/usr/bin/${name}`) ? '/usr' : ''}/bin/${name}`, join(bin, name));
});
after(async () => {
  await origin.close();
  rmSync(home, { recursive: true, force: true });
});

/** Returns the path of a program: Node as the tests run it, and the npm of the PATH. */
function program(name) {
  const folders = name === 'node' ? [dirname(process.execPath)] : process.env.PATH.split(':');
  return folders.map((folder) => join(folder, name)).find(existsSync);
}

/** Runs a command in a folder. Returns its exit code and output. */
function execute(folder, command, args, { more = {}, input = '' } = {}) {
  return new Promise((resolve) => {
    const child = spawn(join(bin, command), args, { cwd: folder, env: { ...env, ...more } });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (output += text));
    child.stdin.on('error', () => {}).end(input);
    child.on('close', (code) => resolve({ code, output }));
  });
}

/** Creates a folder with the package, which has the Wrangler of this repository. */
function folderWithPackage(name) {
  const folder = join(home, name);
  mkdirSync(join(folder, 'node_modules/.bin'), { recursive: true });
  symlinkSync(unpackRelease(), join(folder, 'node_modules/edgetoll'));
  symlinkSync('../edgetoll/bin/edgetoll.js', join(folder, 'node_modules/.bin/edgetoll'));
  return folder;
}

test('In an empty folder, without Rust, the package is installed, set up, tested, run and paid within a minute', async () => {
  const folder = join(home, 'shop');
  mkdirSync(folder);
  const installed = await execute(folder, 'npm', ['install', '--no-audit', '--no-fund', tarball]);
  assert.equal(installed.code, 0, installed.output);
  const started = Date.now();
  const more = { LNBITS_KEY: lnbits.merchant.invoiceKey };
  const init = await execute(folder, 'npx', ['edgetoll', 'init', '--protect', '/api/*', '--price', '7', '--lnbits', lnbits.url, '--origin', origin.url], { more });
  assert.equal(init.code, 0, init.output);
  assert.doesNotMatch(init.output, new RegExp(lnbits.merchant.invoiceKey));
  const check = await execute(folder, 'npx', ['edgetoll', 'check']);
  assert.deepEqual([check.code, check.output], [0, 'wrangler.toml: 2 routes, no mistakes\n']);
  const { url, stop } = await startDev(folder);
  const paid = await buy(url, '/api/joke', { payWith: pay });
  const answer = await send(url, '/api/joke', { headers: { Authorization: paid.standard } });
  assert.equal(answer.status, 200, answer.text);
  const seconds = (Date.now() - started) / 1000;
  assert.deepEqual([origin.last().path, origin.last().headers['x-toll-amount-sats']], ['/api/joke', '7']);
  assert.equal((await send(url, '/free')).status, 200);
  assert.equal((await send(url, '/_toll/toll.js')).status, 200);
  assert.match((await send(url, '/api/joke', { headers: { Accept: 'text/html' } })).text, /<svg/);
  await stop();
  console.log(`# from the installed package to the paid request: ${seconds} s`);
  assert.ok(seconds < 60, `${seconds} s`);

  const doctor = await execute(folder, 'npx', ['edgetoll', 'doctor']);
  assert.match(doctor.output, /OK +invoice +an invoice of 1 sat was created/);
  assert.match(doctor.output, /\n0 FAIL, \d WARN\n$/);
  assert.ok(!doctor.output.includes(lnbits.merchant.invoiceKey));
  const bundle = await execute(folder, 'npx', ['wrangler', 'deploy', '--dry-run', '--outdir', 'out']);
  assert.equal(bundle.code, 0, bundle.output);
  assert.ok(readdirSync(join(folder, 'out')).some((name) => name.endsWith('.wasm')));
});

/** Runs `npx wrangler dev` until it accepts requests. */
async function startDev(folder) {
  let url;
  const args = ['wrangler', 'dev', '--ip', '127.0.0.1', '--port', '0', '--inspector-port', '0', '--show-interactive-dev-session=false'];
  const more = { WRANGLER_LOG_PATH: join(home, 'logs'), WRANGLER_REGISTRY_PATH: join(home, 'registry') };
  const server = run.start('npx', join(bin, 'npx'), args, {
    cwd: folder,
    env: { ...env, ...more },
    onLine: (line) => (url ??= line.match(/Ready on (http:\/\/[^\s]+)/)?.[1]),
  });
  await server.until(() => url, 60);
  return { url, stop: () => server.stop() };
}

test('init writes new secrets, which git ignores, and keeps what is in package.json and .gitignore', async () => {
  const folders = ['first', 'second'].map(folderWithPackage);
  writeFileSync(join(folders[1], 'package.json'), '{\n  "name": "mine",\n  "scripts": { "dev": "mine" },\n  "dependencies": { "edgetoll": "file:edgetoll.tgz" }\n}\n');
  writeFileSync(join(folders[1], '.gitignore'), 'mine');
  const secrets = [];
  for (const folder of folders) {
    const { code, output } = await execute(folder, 'npx', ['edgetoll', 'init', '--yes']);
    assert.equal(code, 0, output);
    const vars = Object.fromEntries(readFileSync(join(folder, '.dev.vars'), 'utf8').split('\n').map((line) => line.split('=')));
    assert.equal(statSync(join(folder, '.dev.vars')).mode & 0o777, 0o600, 'other users of the machine cannot read the secrets');
    assert.match(vars.TOLL_SECRET, /^[0-9a-f]{64}$/);
    assert.match(vars.ADMIN_TOKEN, /^[0-9a-f]{64}$/);
    secrets.push(vars.TOLL_SECRET, vars.ADMIN_TOKEN);
    assert.ok(readFileSync(join(folder, '.gitignore'), 'utf8').split('\n').includes('.dev.vars*'));
    assert.equal((await execute(folder, 'npx', ['edgetoll', 'check'])).code, 0);
  }
  assert.equal(new Set(secrets).size, 4);
  const { name, scripts, dependencies, devDependencies } = JSON.parse(readFileSync(join(folders[1], 'package.json'), 'utf8'));
  assert.deepEqual({ name, dependencies }, { name: 'mine', dependencies: { edgetoll: 'file:edgetoll.tgz' } });
  assert.deepEqual(scripts, { dev: 'mine', check: 'edgetoll check', doctor: 'edgetoll doctor', deploy: 'edgetoll deploy' });
  assert.deepEqual(Object.keys(devDependencies), ['wrangler']);
  assert.match(readFileSync(join(folders[1], '.gitignore'), 'utf8'), /^mine\n\.dev\.vars\*\n/);
});

test('init overwrites no file', async () => {
  const folder = folderWithPackage('existing');
  writeFileSync(join(folder, 'wrangler.jsonc'), '{}');
  const { code, output } = await execute(folder, 'npx', ['edgetoll', 'init', '--yes']);
  assert.deepEqual([code, output], [2, 'edgetoll: wrangler.jsonc exists already, and is not overwritten: run the command in another folder, or remove the file\n']);
  assert.deepEqual(readdirSync(folder).sort(), ['node_modules', 'wrangler.jsonc']);
});

test('init refuses answers that the Worker could not use, and writes nothing', async () => {
  for (const [args, more, sentence] of [
    [['--protect', 'api'], {}, /^edgetoll: TOLL\.routes\[0\]\.path /],
    [['--price', 'ten'], {}, /^edgetoll: TOLL\.routes\[0\]\.fiat /],
    [['--origin', 'ftp://origin.example.com'], {}, /^edgetoll: ORIGIN_URL /],
    [['--lnbits', 'http://lnbits.example.com'], {}, /^edgetoll: LNBITS_URL /],
    [['--lnbits', 'https://lnbits.example.com'], { LNBITS_KEY: 'my key' }, /^edgetoll: LNBITS_KEY /],
    [[], { NWC_URL: 'nostr+walletconnect://abc' }, /^edgetoll: NWC_URL /],
  ]) {
    const folder = folderWithPackage(`refused-${createHash('sha256').update(args.join()).update(JSON.stringify(more)).digest('hex').slice(0, 8)}`);
    const { code, output } = await execute(folder, 'npx', ['edgetoll', 'init', '--yes', ...args], { more });
    assert.equal(code, 2, output);
    assert.match(output, sentence);
    assert.deepEqual(readdirSync(folder), ['node_modules']);
  }
});

test('On a terminal, init asks four questions at most, and asks again if an answer is not valid', async () => {
  const folder = folderWithPackage('asked');
  const script = `import pty, sys; sys.exit(pty.spawn(['npx', 'edgetoll', 'init']) >> 8)`;
  const python = join(root, '.tools/lnbits/bin/python');
  const child = spawn(python, ['-c', script], { cwd: folder, env });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text) => (output += text));
  const answers = [['Path to charge for', 'api'], ['Path to charge for', '/api/*'], ['Price', ''], ['Wallet', 'later'], ['Origin', 'https://origin.example.com']];
  for (const [question, answer] of answers) {
    await until(() => output.lastIndexOf(question) > output.lastIndexOf('\u0000') && / \[[^\]]*\]: $/.test(output));
    output += '\u0000';
    child.stdin.write(`${answer}\n`);
  }
  const code = await new Promise((resolve) => child.on('close', resolve));
  assert.equal(code, 0, output);
  assert.match(output, /TOLL\.routes\[0\]\.path/);
  const toml = readFileSync(join(folder, 'wrangler.toml'), 'utf8');
  assert.match(toml, /^path = "\/api\/\*"\nsats = 10$/m);
  assert.match(toml, /^ORIGIN_URL = "https:\/\/origin\.example\.com"$/m);
});

test('Under `wrangler dev`, the build command reports mistakes and ends with 0; otherwise it stops the deployment', async () => {
  const folder = folderWithPackage('mistaken');
  await execute(folder, 'npx', ['edgetoll', 'init', '--yes']);
  const file = join(folder, 'wrangler.toml');
  writeFileSync(file, readFileSync(file, 'utf8').replace('sats = 10\n#', 'sats = "ten"\n#'));
  for (const [command, expected] of [['dev', 0], ['deploy', 1]]) {
    const { code, output } = await execute(folder, 'npx', ['edgetoll', 'check', '--build'], { more: { WRANGLER_COMMAND: command } });
    assert.match(output, /wrangler\.toml:\d+:\d+: error: TOLL\.routes\[0\]\.sats/);
    assert.equal(code, expected);
  }
});

test('The archive of the Worker runs without npm packages of its own', async () => {
  const name = `edgetoll-${version}-worker`;
  const folder = run.folder('archive');
  execFileSync('tar', ['xzf', join(root, `dist/${name}.tar.gz`), '-C', folder]);
  const worker = join(folder, name);
  const { code, output } = await new Promise((resolve) => {
    const args = [join(root, 'node_modules/wrangler/bin/wrangler.js'), 'deploy', '--dry-run', '--outdir', 'out'];
    const child = spawn(process.execPath, args, { cwd: worker, env: { ...env, WRANGLER_LOG_PATH: join(home, 'logs') } });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (output += text));
    child.on('close', (code) => resolve({ code, output }));
  });
  assert.equal(code, 0, output);
  const checked = await execute(worker, 'node', [join(unpackRelease(), 'bin/edgetoll.js'), 'check']);
  assert.equal(checked.code, 0, checked.output);
});

test('The release has the same bytes when it is packed again, and its checksums are right', async () => {
  const again = run.folder('dist');
  const packed = await new Promise((resolve) => {
    const child = spawn(process.execPath, [join(root, 'tools/release.mjs'), again], { cwd: root, env: process.env });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (output += text));
    child.on('close', (code) => resolve({ code, output }));
  });
  assert.equal(packed.code, 0, packed.output);
  const sums = readFileSync(join(root, 'dist/SHA256SUMS'), 'utf8');
  assert.equal(readFileSync(join(again, 'SHA256SUMS'), 'utf8'), sums);
  for (const line of sums.trim().split('\n')) {
    const [sum, name] = line.split('  ');
    assert.equal(createHash('sha256').update(readFileSync(join(again, name))).digest('hex'), sum, name);
  }
});

test('The lists of components name the crates of the Worker and of the command, and no folder of this machine', () => {
  const components = (part) => readFileSync(join(root, `dist/edgetoll-${version}-${part}.cdx.json`), 'utf8');
  const names = (part) => JSON.parse(components(part)).components.map(({ name }) => name);
  const locked = readFileSync(join(root, 'Cargo.lock'), 'utf8');
  for (const name of ['hmac', 'k256', 'wasm-bindgen']) assert.ok(names('worker').includes(name), name);
  for (const name of ['clap', 'toml']) assert.ok(names('command').includes(name), name);
  assert.deepEqual(names('pages'), ['lean-qr']);
  for (const part of ['worker', 'command', 'pages']) {
    const { bomFormat, components: listed } = JSON.parse(components(part));
    assert.equal(bomFormat, 'CycloneDX');
    assert.ok(!components(part).includes(root.replace(/\/$/, '')), part);
    if (part !== 'pages') for (const { name, version: of } of listed) assert.ok(locked.includes(`name = "${name}"\nversion = "${of}"`), name);
  }
});
