// `make test`: runs all test runners, one after the other, and prints one line with the sums.
//   ONLY=name        runs only those end-to-end test files whose name contains this
//   REPEAT=times     runs only the end-to-end tests, this many times (`make repeat`)
//   EDGETOLL_FULL=1  also runs what is slow (`make test FULL=1`). Runners and tests read this variable.
import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { startLnbits } from './lib/lnbits.mjs';
import { Run, root } from './lib/run.mjs';

const run = Run.begin('test');
const total = { passed: 0, failed: 0 };

const repeats = Number(process.env.REPEAT ?? 0);
const isFull = process.env.EDGETOLL_FULL === '1';
try {
  if (!repeats) {
    await suite('make', ['--no-print-directory', 'lint'], {});
    // proptest runs 256 cases by default.
    await suite('cargo', ['test', '--quiet', '--no-fail-fast'], isFull ? { PROPTEST_CASES: '2048' } : {}, (line) => {
      const [, passed, failed] = line.match(/^test result: .* (\d+) passed; (\d+) failed;/) ?? [];
      return passed && { passed: Number(passed), failed: Number(failed) };
    });
  }
  // Tests run a copy of the build, because another run may build meanwhile.
  execFileSync('bash', ['-c', '. tools/lib.sh; lock build; cp -R build "$1"', '-', join(run.dir, 'build')], { cwd: root });
  const { url, merchant, payer } = await startLnbits(run, { dataDir: join(run.dir, 'lnbits') });
  const env = { EDGETOLL_RUN: run.dir, EDGETOLL_LNBITS: JSON.stringify({ url, merchant, payer }) };
  const wanted = process.env.ONLY ?? '';
  const files = readdirSync(join(root, 'tests/e2e')).filter((name) => name.endsWith('.test.mjs') && name.includes(wanted));
  for (let round = 0; round < Math.max(repeats, 1); round += 1) await nodeTests(files.map((name) => join('tests/e2e', name)), env);
  // This test reads the logs and stores of all the others.
  if (!wanted) await nodeTests(['tests/e2e/after/secrets.test.mjs'], env);
} catch (error) {
  console.error(`edgetoll: ${error.message}`);
  total.failed += 1;
}
await run.end();
console.log(`${total.passed} passed, ${total.failed} failed`);
process.exit(total.failed || !total.passed ? 1 : 0);

function nodeTests(files, env) {
  return suite(process.execPath, ['--test', '--test-reporter=spec', ...files], env, (line) => {
    const [, result, count] = line.match(/^ℹ (pass|fail|cancelled|skipped|todo) (\d+)$/) ?? [];
    return result && (result === 'pass' ? { passed: Number(count) } : { failed: Number(count) });
  });
}

/**
 * Runs one runner, shows its output, and adds its counts to the sums. A runner that exits with an error or counts no test is a failure,
 * too.
 */
async function suite(command, args, env, count) {
  const before = { ...total };
  const runner = run.start('runner', command, args, {
    env: { ...process.env, ...env },
    onLine: (line) => {
      console.log(line);
      const { passed = 0, failed = 0 } = count?.(line) || {};
      total.passed += passed;
      total.failed += failed;
    },
  });
  await runner.ended();
  if (runner.child.exitCode !== 0 && total.failed === before.failed) total.failed += 1;
  if (count && total.passed === before.passed && total.failed === before.failed) total.failed += 1;
}
