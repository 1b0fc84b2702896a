import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { pause, root } from '../../tools/lib/run.mjs';

/** A process that begins a run with one server, tells the server's number, and stays. */
async function startOwner() {
  const code = `
    import { Run } from ${JSON.stringify(join(root, 'tools/lib/run.mjs'))};
    const run = Run.begin('owned');
    const server = run.start('sleeper', 'sh', ['-c', 'sleep 600 & wait']);
    console.log(JSON.stringify({ pid: server.child.pid, dir: run.dir }));
    setInterval(() => {}, 1000);`;
  const owner = spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = await new Promise((resolve) => owner.stdout.once('data', (data) => resolve(data.toString().split('\n'))));
  return { owner, ...JSON.parse(line) };
}

const lives = (pid) => {
  try {
    process.kill(-pid, 0);
    return true;
  } catch {
    return false;
  }
};

async function until(condition) {
  for (const deadline = Date.now() + 10_000; !condition(); ) {
    assert.ok(Date.now() < deadline, 'not in ten seconds');
    await pause(20);
  }
}

test('servers end with their run, on SIGINT and on SIGTERM', async () => {
  for (const signal of ['SIGINT', 'SIGTERM']) {
    const { owner, pid, dir } = await startOwner();
    assert.ok(lives(pid));
    owner.kill(signal);
    await until(() => !lives(pid) && !existsSync(dir));
  }
});

test('what a `kill -9` left is ended by the next run, and what still has its owner is not', async () => {
  const killed = await startOwner();
  const living = await startOwner();
  killed.owner.kill('SIGKILL');
  await until(() => killed.owner.signalCode === 'SIGKILL');
  assert.ok(lives(killed.pid));
  const next = await startOwner();
  await until(() => !lives(killed.pid));
  assert.ok(!existsSync(killed.dir));
  assert.ok(lives(living.pid) && existsSync(living.dir));
  living.owner.kill('SIGTERM');
  next.owner.kill('SIGTERM');
  await until(() => !lives(living.pid) && !lives(next.pid));
});
