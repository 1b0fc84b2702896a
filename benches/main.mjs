// Measures requests. QUICK=1 only prints the main table, of fewer and shorter rounds. Otherwise all tables are written to
// benches/RESULTS.md.
import { readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { Run, root } from '../tools/lib/run.mjs';
import { growthTables } from './growth.mjs';
import { startBench } from './lib.mjs';
import { requestsTable } from './requests.mjs';

const run = Run.begin('bench');
try {
  const bench = await startBench(run);
  if (process.env.QUICK) console.log(await requestsTable(bench, 3, 600));
  else await measureAll(bench);
} finally {
  await run.end();
}

async function measureAll(bench) {
  const [rounds, ms] = [8, 800];
  const [growthRounds, growthMs] = [3, 500];
  const text = `${heading()}
## Requests

${rounds} rounds of ${ms} ms, 16 connections, an origin with a body of 200 bytes. edgetoll has all bindings, as deployed. The CPU time
is that of the process of workerd, or of Python for lightning-toll. \`challenge\` creates its invoices with a stub of LNbits.

${await requestsTable(bench, rounds, ms)}

## Growth

${growthRounds} rounds of ${growthMs} ms. Ratios compare with the same request to the Worker in JavaScript that only forwards requests. The request is paid if
nothing else is said. The added CPU compares what the headers add to edgetoll with what they add to JavaScript. In the free tier,
1,000 new clients a minute are admitted. The others get a challenge, with an invoice of a stub of LNbits.

${await growthTables(bench, growthRounds, growthMs)}
`;
  console.log(text);
  writeFileSync(join(root, 'benches/RESULTS.md'), text);
}

function heading() {
  const version = (name) => JSON.parse(readFileSync(join(root, `node_modules/${name}/package.json`), 'utf8')).version;
  return `# Results

Made by \`make bench\` on ${new Date().toISOString().slice(0, 10)}: ${cpus().length} × ${cpus()[0].model}, workerd ${version('workerd')}, Node ${process.versions.node}.
Values are medians. Ratios compare measurements of one round.
`;
}
