// The release that `make release` has made in dist/.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../../../tools/lib/run.mjs';
import { run } from './paywall.mjs';

export const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
/** The npm package. */
export const tarball = join(root, `dist/edgetoll-${version}.tgz`);

/** Unpacks the npm package, without installing it; returns its folder. */
export function unpackRelease() {
  const folder = run.folder('release');
  execFileSync('tar', ['xzf', tarball, '-C', folder]);
  return join(folder, 'package');
}
