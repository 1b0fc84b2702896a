// `make test`: every runner, one after the other, and one closing line over all of them.
//   ONLY=name     of the end-to-end tests only the files with this in their name
//   REPEAT=times  the end-to-end tests alone, so often (`make repeat`)
import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { startLnbits } from './lib/lnbits.mjs';
import { Run, root } from './lib/run.mjs';

const run = Run.begin('test');
const total = { passed: 0, failed: 0 };

const times = Number(process.env.REPEAT ?? 0);
try {
  if (!times) {
    await suite('make', ['--no-print-directory', 'lint'], {});
    await suite('cargo', ['test', '--quiet', '--no-fail-fast'], {}, (line) => {
      const [, passed, failed] = line.match(/^test result: .* (\d+) passed; (\d+) failed;/) ?? [];
      return passed && { passed: Number(passed), failed: Number(failed) };
    });
  }
  // A private copy: another run may build while this one serves.
  execFileSync('bash', ['-c', '. tools/lib.sh; lock build; cp -R build "$1"', '-', join(run.dir, 'build')], { cwd: root });
  const { url, merchant, payer } = await startLnbits(run, { dataDir: join(run.dir, 'lnbits') });
  const env = { EDGETOLL_RUN: run.dir, EDGETOLL_LNBITS: JSON.stringify({ url, merchant, payer }) };
  const wanted = process.env.ONLY ?? '';
  const files = readdirSync(join(root, 'tests/e2e')).filter((name) => name.endsWith('.test.mjs') && name.includes(wanted));
  for (let time = 0; time < Math.max(times, 1); time += 1) await nodeTests(files.map((name) => join('tests/e2e', name)), env);
  // What all of them left behind is looked at in the end.
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

/** Runs one runner, shows its output and adds up what it counts; one that fails, or that finds no test, is a failure. */
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
