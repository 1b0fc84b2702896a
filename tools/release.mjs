// Makes the release in dist/, from build/ and target/edgetoll.wasm: the npm package, an archive of the Worker for people without npm, the lists
// of components (SBOM, CycloneDX), and the checksums. The same sources give the same bytes. Run by tools/release.sh.
//   node tools/release.mjs [FOLDER]   writes into FOLDER instead of dist/
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { create } from 'tar';

const root = fileURLToPath(new URL('..', import.meta.url));
const dist = resolve(root, process.argv[2] ?? 'dist');
const { version } = JSON.parse(read('package.json'));
const staging = mkdtempSync(join(tmpdir(), 'edgetoll-release-'));

try {
  if (!read('Cargo.toml').includes(`\nversion = "${version}"\n`)) throw new Error('package.json and Cargo.toml have different versions');
  rmSync(dist, { recursive: true, force: true });
  mkdirSync(dist, { recursive: true });
  packPackage();
  await archiveWorker();
  listComponents();
  const files = readdirSync(dist).sort();
  const sums = files.map((name) => `${createHash('sha256').update(readFileSync(join(dist, name))).digest('hex')}  ${name}\n`);
  writeFileSync(join(dist, 'SHA256SUMS'), sums.join(''));
  console.log(sums.join('').trimEnd());
} finally {
  rmSync(staging, { recursive: true, force: true });
}

/** Makes the npm package. */
function packPackage() {
  const folder = join(staging, 'package');
  cpSync(join(root, 'npm'), folder, { recursive: true });
  const { name, ...rest } = JSON.parse(read('npm/package.json'));
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify({ name, version, ...rest }, null, 2)}\n`);
  copyWorker(join(folder, 'worker'));
  cpSync(join(root, 'target/edgetoll.wasm'), join(folder, 'bin/edgetoll.wasm'));
  for (const file of ['LICENSE', 'CHANGELOG.md']) cpSync(join(root, file), join(folder, file));
  execFileSync('npm', ['pack', '--silent', '--pack-destination', dist], { cwd: folder });
}

/** Makes the archive of the Worker, with a wrangler.toml that `edgetoll init` has made. */
async function archiveWorker() {
  const name = `edgetoll-${version}-worker`;
  const folder = join(staging, name);
  const made = join(staging, 'edgetoll');
  mkdirSync(made);
  execFileSync(process.execPath, [join(staging, 'package/bin/edgetoll.js'), 'init', '--yes'], { cwd: made, env: { PATH: process.env.PATH } });
  copyWorker(folder);
  writeFileSync(join(folder, 'wrangler.toml'), wranglerToml(readFileSync(join(made, 'wrangler.toml'), 'utf8')));
  for (const file of ['LICENSE', 'CHANGELOG.md']) cpSync(join(root, file), join(folder, file));
  // The time and the order of the files do not depend on this machine.
  const files = readdirSync(folder, { recursive: true }).map((file) => join(name, file)).sort();
  const gzip = { level: 9, portable: true };
  await create({ cwd: staging, file: join(dist, `${name}.tar.gz`), gzip, portable: true, mtime: new Date(0), noDirRecurse: true }, files);
}

/**
 * Returns a wrangler.toml for a folder that has only the Worker.
 * @param {string} text
 */
function wranglerToml(text) {
  const changes = [
    ['main = "src/index.js"', 'main = "index.js"'],
    ['directory = "node_modules/edgetoll/worker/www"', 'directory = "www"'],
    [/# Finds mistakes .*\n\[build\]\n(.+\n)*\n/, ''],
  ];
  for (const [from, to] of changes) {
    const changed = text.replace(from, to);
    if (changed === text) throw new Error(`wrangler.toml has no ${from}`);
    text = changed;
  }
  return text.replaceAll('npx edgetoll deploy', 'npx wrangler deploy').replace(': `npx wrangler deploy` sets those that are missing.', ': set them with `npx wrangler secret put TOLL_SECRET`, and so on.');
}

/** Lists the components: the crates of the Worker and of the command, and the npm packages of the pages. */
function listComponents() {
  const command = ['--target', 'wasm32-wasip1', '--no-default-features', '--features', 'cli,nwc'];
  writeComponents('command', cargoComponents('Cargo.toml', command));
  writeComponents('worker', cargoComponents('worker/Cargo.toml', ['--target', 'wasm32-unknown-unknown']));
  const pages = JSON.parse(execFileSync('npm', ['sbom', '--package-lock-only', '--omit', 'dev', '--sbom-format', 'cyclonedx'], { cwd: root, encoding: 'utf8' }));
  // These values differ with each run, and the name is that of the folder.
  delete pages.serialNumber;
  delete pages.metadata.timestamp;
  pages.metadata.component.name = 'edgetoll-pages';
  writeComponents('pages', `${JSON.stringify(pages, null, 2)}\n`);
}

/**
 * Returns the components of a crate. cargo-cyclonedx writes a file into the folder of each crate of this repository.
 * @param {string} manifest
 * @param {string[]} options
 */
function cargoComponents(manifest, options) {
  const name = 'edgetoll-sbom';
  const args = ['cyclonedx', '--quiet', '--manifest-path', manifest, '--format', 'json', '--override-filename', name, ...options];
  const env = { ...process.env, SOURCE_DATE_EPOCH: '0', PATH: `${join(root, '.tools/bin')}:${process.env.PATH}` };
  execFileSync('cargo', args, { cwd: root, env });
  const text = read(manifest.replace('Cargo.toml', `${name}.json`));
  const members = JSON.parse(execFileSync('cargo', ['metadata', '--no-deps', '--format-version', '1'], { cwd: root, encoding: 'utf8' })).packages;
  for (const { manifest_path: path } of members) rmSync(path.replace(/Cargo\.toml$/, `${name}.json`), { force: true });
  return text.replaceAll(pathToFileURL(root).href.replace(/\/$/, ''), 'file:///edgetoll');
}

/**
 * @param {string} part
 * @param {string} text
 */
function writeComponents(part, text) {
  writeFileSync(join(dist, `edgetoll-${version}-${part}.cdx.json`), text);
}

/** @param {string} folder */
function copyWorker(folder) {
  cpSync(join(root, 'build'), folder, { recursive: true });
}

/** @param {string} file */
function read(file) {
  return readFileSync(join(root, file), 'utf8');
}
