// `make soak`: traffic of all kinds, while everything that edgetoll depends on fails in turn. Prints a table, and fails if a promise does
// not hold.
//   SOAK_SECONDS=number  how long to inject faults (default 300)
//   ONLY=text            injects only the faults with this in their name
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { Run, root } from './lib/run.mjs';

const run = Run.begin('soak');
// Another build may run meanwhile.
cpSync(join(root, 'build'), join(run.dir, 'build'), { recursive: true });
const soak = run.start('soak', process.execPath, ['--test-reporter=spec', 'tests/e2e/soak.test.mjs'], {
  // The test starts an LNbits of its own, because it also restarts it.
  env: { ...process.env, EDGETOLL_RUN: run.dir, EDGETOLL_LNBITS: '{"merchant":{},"payer":{}}', EDGETOLL_SOAK_S: process.env.SOAK_SECONDS || '300', EDGETOLL_SOAK_ONLY: process.env.ONLY ?? '' },
  onLine: (line) => line.startsWith('ℹ ') || console.log(line),
});
await soak.ended();
await run.end();
process.exit(soak.child.exitCode === 0 ? 0 : 1);
