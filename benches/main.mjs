// Measures requests, their growth, the start of the Worker, and the ledger. Writes the tables to benches/RESULTS.md, together with the
// results of benches/core/. QUICK=1 only prints the main table, of fewer and shorter rounds.
import { readFileSync, writeFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { join } from 'node:path';
import { Run, root } from '../tools/lib/run.mjs';
import { coreTable } from './core.mjs';
import { growthTables } from './growth.mjs';
import { ledgerTable } from './ledger.mjs';
import { startBench } from './lib.mjs';
import { requestsTable } from './requests.mjs';
import { sizeTables } from './size.mjs';
import { compileTable, firstRequestTable } from './startup.mjs';

const run = Run.begin('bench');
try {
  const bench = await startBench(run);
  if (process.env.QUICK) console.log(await requestsTable(bench, 3, 600));
  else await measureAll(bench);
} finally {
  await run.end();
}

async function measureAll(bench) {
  const texts = [];
  for (const section of [heading, requests, growth, start, core, ledger]) {
    texts.push(`${await section(bench)}\n`);
    console.log(texts.at(-1));
  }
  writeFileSync(join(root, 'benches/RESULTS.md'), texts.join('\n'));
}

function heading() {
  const version = (name) => JSON.parse(readFileSync(join(root, `node_modules/${name}/package.json`), 'utf8')).version;
  return `# Results

Made by \`make bench\` on ${new Date().toISOString().slice(0, 10)}: ${cpus().length} × ${cpus()[0].model}, workerd ${version('workerd')}, Node ${process.versions.node}.
Load average in the minute before: ${loadavg()[0].toFixed(1)}. Values are medians. Ratios compare measurements of one round.`;
}

async function requests(bench) {
  const [rounds, ms] = [8, 600];
  return `## Requests

${rounds} rounds of ${ms} ms, 16 connections, an origin with a body of 200 bytes. edgetoll has all bindings, as deployed. The CPU time
is that of the process of workerd, or of Python for lightning-toll. \`challenge\` creates its invoices with a stub of LNbits.

${await requestsTable(bench, rounds, ms)}`;
}

async function growth(bench) {
  const [rounds, ms] = [3, 500];
  return `## Growth

${rounds} rounds of ${ms} ms. Ratios compare with a Worker in JavaScript that only forwards requests. The requests of the first three tables are paid
unless they say something else. The added CPU is what the headers add to edgetoll, as a ratio to what they add to JavaScript. In the
free tier, 1,000 new clients a minute are admitted. The others get a challenge, with an invoice of a stub of LNbits.

${await growthTables(bench, rounds, ms)}`;
}

async function start(bench) {
  return `## Size and start

Sizes in bytes. The code is that before wasm-opt, which makes it smaller and removes the names. A generic function counts for the crate
that defines it.

${sizeTables()}

Node compiles and instantiates the wasm in a new process. The requests are the first ones of a new workerd whose Worker has started.

${compileTable()}

${await firstRequestTable(bench)}`;
}

function core() {
  return `## Core

Native code; CPU time of the thread.

${coreTable()}`;
}

async function ledger(bench) {
  return `## Ledger

${await ledgerTable(bench)}`;
}
