import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { root, until } from '../../tools/lib/run.mjs';

/**
 * Starts a process that begins a run with one server and keeps running. Returns the process, the server's process ID and the run's
 * folder.
 */
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

const isAlive = (pid) => {
  try {
    process.kill(-pid, 0);
    return true;
  } catch {
    return false;
  }
};

test('If the process of a run gets SIGINT or SIGTERM, the servers of the run end and its folder is removed', async () => {
  for (const signal of ['SIGINT', 'SIGTERM']) {
    const { owner, pid, dir } = await startOwner();
    assert.ok(isAlive(pid));
    owner.kill(signal);
    await until(() => !isAlive(pid) && !existsSync(dir));
  }
});

test('A new run ends the servers of a run whose process got SIGKILL, but not the servers of a run that still has its process', async () => {
  const killed = await startOwner();
  const live = await startOwner();
  killed.owner.kill('SIGKILL');
  await until(() => killed.owner.signalCode === 'SIGKILL');
  assert.ok(isAlive(killed.pid));
  const next = await startOwner();
  await until(() => !isAlive(killed.pid));
  assert.ok(!existsSync(killed.dir));
  assert.ok(isAlive(live.pid) && existsSync(live.dir));
  live.owner.kill('SIGTERM');
  next.owner.kill('SIGTERM');
  await until(() => !isAlive(live.pid) && !isAlive(next.pid));
});
