// `make test`: runs all test runners and prints how many tests passed and failed.
//   ONLY=name        runs only the end-to-end test files whose name contains `name`
//   REPEAT=times     runs only the end-to-end tests, `times` times (`make repeat`)
//   WORKERS=number   runs `number` end-to-end test files at once (default 3, or 2 on a single core: some tests mostly wait)
//   EDGETOLL_FULL=1  runs 2,048 random cases of each property instead of 256 (`make test FULL=1`)
//   WALLET=nwc       the paywalls of the end-to-end tests reach their wallet over Nostr Wallet Connect, except in tests about LNbits itself.
//                    Without it, only the files of `NWC_TOO` run a second time in this way
import { execFileSync } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { startLnbits } from './lib/lnbits.mjs';
import { RECEIVE_ONLY, newConnection, startNwcWallet, startRelay } from './lib/nwc.mjs';
import { Run, root } from './lib/run.mjs';

const only = process.env.ONLY ?? '';
const repeats = Number(process.env.REPEAT ?? 0);
const workers = Number(process.env.WORKERS ?? Math.min(availableParallelism(), 2) + 1);
const isFull = process.env.EDGETOLL_FULL === '1';
const isNwc = process.env.WALLET === 'nwc';
/** Tests of what only LNbits has, of a wallet that the test starts itself, or of a Worker without the feature nwc. */
const ABOUT_LNBITS = ['dev', 'doctor', 'example', 'failover', 'fails_closed', 'health', 'ledger', 'lnbits_faults', 'run_cleanup', 'settlement'].map(file);
const NWC_TOO = ['purchase', 'uses'].map(file);
/** With FULL=1, these files also run with the command of the npm package. */
const NPM_TOO = isFull ? ['doctor.test.mjs'] : [];

const run = Run.begin('test');
const total = { passed: 0, failed: 0 };
/** The failed tests, each with the runner or the file that it belongs to. */
const failures = new Set();
try {
  if (!repeats) {
    await suite('make', ['--no-print-directory', 'lint']);
    // By default, proptest runs 256 cases of each property.
    await suite('cargo', ['test', '--quiet', '--no-fail-fast'], {
      name: 'cargo test',
      env: isFull ? { PROPTEST_CASES: '2048' } : {},
      count: countCargo,
    });
  }
  // Tests run a copy of the Worker and of the command, because another run may build meanwhile.
  const copy = '. tools/lib.sh; lock build; cargo build --quiet; cp -R build "$1/"; cp target/debug/edgetoll "$1/"';
  execFileSync('bash', ['-e', '-c', copy, '-', run.dir], { cwd: root, stdio: 'inherit' });
  const names = readdirSync(join(root, 'tests/e2e')).filter((name) => name.endsWith('.test.mjs') && name.includes(only));
  const files = isNwc
    ? names.filter((name) => !ABOUT_LNBITS.includes(name)).map((name) => ({ name, isNwc }))
    : [
      ...names.map((name) => ({ name })),
      ...names.filter((name) => NWC_TOO.includes(name)).map((name) => ({ name, isNwc: true })),
      ...names.filter((name) => NPM_TOO.includes(name)).map((name) => ({ name, isNpm: true })),
    ];
  const environments = await Promise.all(Array.from({ length: workers }, startWorkerEnvironment));
  for (let round = 0; round < Math.max(repeats, 1); round += 1) await endToEnd(files, environments);
} catch (error) {
  console.error(`edgetoll: ${error.message}`);
  total.failed += 1;
}
await run.end();
for (const failure of failures) console.log(`failed: ${failure}`);
console.log(`${total.passed} passed, ${total.failed} failed`);
process.exit(total.failed || !total.passed ? 1 : 0);

/** Starts an LNbits and returns the environment variables of one worker. Workers share no LNbits, because tests count invoices. */
async function startWorkerEnvironment(_, index) {
  const { url, merchant, payer } = await startLnbits(run, { dataDir: join(run.dir, `lnbits-${index}`) });
  const connection = newConnection(await startRelay());
  const wallet = { lnbitsUrl: url, adminKey: merchant.adminKey };
  await startNwcWallet(run, connection, wallet, { methods: RECEIVE_ONLY });
  return { EDGETOLL_RUN: run.dir, EDGETOLL_LNBITS: JSON.stringify({ url, merchant, payer }), EDGETOLL_NWC_URL: connection.url };
}

function file(name) {
  return `${name}.test.mjs`;
}

/** Runs end-to-end test files, as many at once as there are environments. */
async function endToEnd(files, environments) {
  const started = Date.now();
  // Starts the large files first, so that the workers finish at about the same time.
  const size = ({ name }) => statSync(join(root, 'tests/e2e', name)).size;
  const queue = [...files].sort((a, b) => size(b) - size(a));
  await Promise.all(environments.map(async (env) => {
    for (let next; (next = queue.shift()); ) await endToEndFile(next, env);
  }));
  // Runs last, because this test reads the logs and the storage that all other tests wrote.
  if (!only) await endToEndFile({ name: 'after/secrets.test.mjs' }, environments[0]);
  console.log(`end-to-end tests: ${Math.round((Date.now() - started) / 1000)} s with ${workers} at once\n`);
}

/** Runs one file, and prints its output when it ends, so that the output of two concurrent files is not mixed. */
async function endToEndFile({ name, isNwc = false, isNpm = false }, { EDGETOLL_NWC_URL, ...env }) {
  const started = Date.now();
  const lines = [];
  const show = (line) => line.startsWith('ℹ ') || lines.push(line);
  await suite(process.execPath, ['--test', '--test-reporter=spec', join('tests/e2e', name)], {
    env: { ...env, ...(isNwc && { EDGETOLL_NWC_URL }), ...(isNpm && { EDGETOLL_COMMAND: 'npm' }) },
    count: countNode,
    show,
  });
  console.log([`tests/e2e/${name}${isNwc ? ' with NWC' : ''}${isNpm ? ' with npm' : ''}: ${Math.round((Date.now() - started) / 1000)} s`, ...lines].join('\n'));
}

/**
 * Runs one runner, shows its output, and adds its counts to the total. If no test failed, but the runner exits with an error or counts
 * no tests, one failure is added.
 * @param name what the list of failed tests calls the runner: by default its last argument
 * @param count returns what a line of the output counts, as `{ passed, failed }`
 */
async function suite(command, args, { name = args.at(-1), env = {}, count, show = console.log } = {}) {
  const own = { passed: 0, failed: 0 };
  const runner = run.start('runner', command, args, {
    env: { ...process.env, ...env },
    onLine: (line) => {
      show(line);
      const failure = failedTest(line);
      if (failure) failures.add(`${name}: ${failure}`);
      const { passed = 0, failed = 0 } = count?.(line) ?? {};
      own.passed += passed;
      own.failed += failed;
    },
  });
  await runner.ended();
  const hasCounts = !count || own.passed + own.failed > 0;
  if (own.failed === 0 && (runner.child.exitCode !== 0 || !hasCounts)) {
    own.failed = 1;
    failures.add(`${name}: exit code ${runner.child.exitCode}`);
  }
  total.passed += own.passed;
  total.failed += own.failed;
}

/** The name of a failed test, if this line of `cargo test` or of Node.js's test runner contains one. */
function failedTest(line) {
  return line.match(/^---- (.+) stdout ----$/)?.[1] ?? line.match(/^ *✖ (.+) \([\d.]+ms\)$/)?.[1];
}

function countCargo(line) {
  const [, passed, failed] = line.match(/^test result: .* (\d+) passed; (\d+) failed;/) ?? [];
  return passed && { passed: Number(passed), failed: Number(failed) };
}

function countNode(line) {
  const [, result, count] = line.match(/^ℹ (pass|fail|cancelled|skipped|todo) (\d+)$/) ?? [];
  return result && (result === 'pass' ? { passed: Number(count) } : { failed: Number(count) });
}
