import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { appendFileSync, copyFileSync, existsSync, readFileSync, readdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { root } from '../../tools/lib/run.mjs';
import { run } from './support/paywall.mjs';

test('`npx wrangler deploy --dry-run --outdir` builds and bundles the Worker', () => {
  const out = run.folder('deploy');
  const env = { ...process.env, CI: '1', WRANGLER_SEND_METRICS: 'false' };
  const { status, stdout, stderr } = spawnSync('npx', ['wrangler', 'deploy', '--dry-run', '--outdir', out], { cwd: root, env, encoding: 'utf8' });
  assert.equal(status, 0, stdout + stderr);
  assert.match(stdout, /env\.TOLL/);
  assert.ok(readdirSync(out).some((file) => file.endsWith('.wasm')));
});

test('Node compiles the Worker', async () => {
  await WebAssembly.compile(readFileSync(join(root, 'build/index_bg.wasm')));
});

test('The Worker is under 281 KiB compressed', () => {
  const build = join(run.dir, 'build');
  const files = readdirSync(build).filter((file) => /\.(wasm|js)$/.test(file)).sort();
  const bytes = files.reduce((sum, file) => sum + gzipSync(readFileSync(join(build, file)), { level: 9 }).length, 0);
  assert.ok(bytes < 281 * 1024, `${bytes} bytes`);
});

test('If the price list has an unknown key, the deployment fails, and the error names the line and the key', () => {
  const project = run.folder('invalid');
  for (const name of ['tools', 'src', 'benches', 'worker', 'examples', '.cargo', 'Cargo.lock', 'Cargo.toml', 'rust-toolchain.toml', 'package.json', 'package-lock.json', 'node_modules', '.tools', 'www']) {
    symlinkSync(join(root, name), join(project, name));
  }
  for (const name of ['Makefile', 'wrangler.toml']) copyFileSync(join(root, name), join(project, name));
  appendFileSync(join(project, 'wrangler.toml'), 'free_reqests = 5\n');
  const lines = readFileSync(join(project, 'wrangler.toml'), 'utf8').trimEnd().split('\n').length;
  const env = { ...process.env, CI: '1', WRANGLER_SEND_METRICS: 'false', CARGO_TARGET_DIR: join(root, 'target') };
  const { status, stdout, stderr } = spawnSync('npx', ['wrangler', 'deploy', '--dry-run', '--outdir', join(project, 'out')], { cwd: project, env, encoding: 'utf8' });
  assert.notEqual(status, 0);
  assert.match(stdout + stderr, new RegExp(`wrangler.toml:${lines}:1: error: .*free_reqests.*did you mean .free_requests.`));
  assert.ok(!existsSync(join(project, 'out')));
});
