// Reads the results of benches/core/ from the files of criterion.
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../tools/lib/run.mjs';
import { table } from './lib.mjs';

/** Returns a table of the results of the last half hour. Criterion also keeps older ones. */
export function coreTable() {
  const folder = join(root, 'target/criterion');
  const isNew = (file) => existsSync(file) && Date.now() - statSync(file).mtimeMs < 30 * 60_000;
  const read = (name, file) => JSON.parse(readFileSync(join(folder, name, 'new', file), 'utf8'));
  const rows = readdirSync(folder)
    .filter((name) => isNew(join(folder, name, 'new/estimates.json')))
    .map((name) => [read(name, 'benchmark.json').full_id, (read(name, 'estimates.json').median.point_estimate / 1000).toFixed(2)]);
  return table(['benchmark', 'CPU µs'], rows.toSorted(([a], [b]) => a.localeCompare(b, 'en', { numeric: true })));
}
