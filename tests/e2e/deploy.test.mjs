import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
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

test('the Worker is under 110 KiB compressed', () => {
  const build = join(run.dir, 'build');
  const files = readdirSync(build).filter((file) => /\.(wasm|js)$/.test(file)).sort();
  const bytes = files.reduce((sum, file) => sum + gzipSync(readFileSync(join(build, file)), { level: 9 }).length, 0);
  assert.ok(bytes < 110 * 1024, `${bytes} bytes`);
});
