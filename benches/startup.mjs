// What the start of the Worker costs: compiling the wasm, and the first requests of a new workerd.
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { pause, root } from '../tools/lib/run.mjs';
import { cpuMs } from './cpu.mjs';
import { median, newCase, startEdgetoll, startRustPass, startWorker, table } from './lib.mjs';

export const EDGETOLL = join(root, 'build');
export const RUST = join(root, 'benches/workers/rust-pass/build');

/** Returns a table of the time in which Node compiles and instantiates the wasm, each time in a new process. */
export function compileTable() {
  const cases = [['edgetoll', EDGETOLL], ['Rust: fetch(request)', RUST]].map(([name, folder]) => ({ name, file: join(folder, 'index_bg.wasm'), times: [] }));
  for (let round = 0; round < STARTS; round += 1) {
    for (const { file, times } of cases) {
      const [lazy, instantiate] = compile([], file);
      const [eager] = compile(['--no-wasm-lazy-compilation'], file);
      times.push([lazy, eager, instantiate]);
    }
  }
  const rows = cases.map(({ name, times }) => [name, ...[0, 1, 2].map((at) => median(times.map((one) => one[at])).toFixed(2))]);
  return table(['Worker', 'compile, ms', 'compile all functions at once, ms', 'instantiate, ms'], rows);
}

function compile(options, file) {
  return JSON.parse(execFileSync(process.execPath, [...options, '-e', COMPILE, file], { encoding: 'utf8' }));
}
const COMPILE = `
  const bytes = require('node:fs').readFileSync(process.argv[1]);
  const started = performance.now();
  const module = new WebAssembly.Module(bytes);
  const compiled = performance.now();
  const imports = {};
  for (const { module: from, name, kind } of WebAssembly.Module.imports(module)) {
    (imports[from] ??= {})[name] = kind === 'tag' ? new WebAssembly.Tag({ parameters: ['externref'] }) : () => {};
  }
  const prepared = performance.now();
  new WebAssembly.Instance(module, imports);
  console.log(JSON.stringify([compiled - started, performance.now() - prepared]));`;

/** Returns a table of the CPU time until a new workerd is ready, and of the time of its first two requests after that. */
export async function firstRequestTable({ run, vars, host }) {
  const routes = (count) => ({ routes: Array.from({ length: count }, (_, at) => ({ path: `/r${at}/item`, sats: 5 })) });
  const cases = [
    ['JavaScript: fetch(request)', () => startWorker(run, 'bare', vars), [host]],
    ['Rust: fetch(request)', () => startRustPass(run), [host]],
    ['edgetoll, unlisted path', () => startEdgetoll(run, vars, routes(10)), []],
    ['edgetoll with 1,000 routes, unlisted path', () => startEdgetoll(run, vars, routes(1000)), []],
  ].map(([name, start, headers]) => ({ name, start, headers, times: [] }));
  for (let round = 0; round < STARTS; round += 1) {
    for (const { name, start, headers, times } of cases) {
      const server = await start();
      const startMs = await cpuMsUntilIdle(server);
      times.push([startMs, ...(await requestTwice(newCase(name, server, '/unlisted', headers).load))]);
      await server.stop();
    }
  }
  const rows = cases.map(({ name, times }) => [name, ...[0, 1, 2].map((at) => median(times.map((one) => one[at])).toFixed(at ? 1 : 0))]);
  return table(['Worker', 'start of workerd, CPU ms', 'first request, ms', 'second request, ms'], rows);
}

/** Waits until a process has used no CPU time for some time: workerd listens before its Worker has started. Returns its CPU time. */
async function cpuMsUntilIdle(server) {
  for (let before, now = cpuMs(server.pid); now !== before; now = cpuMs(server.pid)) {
    before = now;
    await pause(300);
  }
  return cpuMs(server.pid);
}

/** Sends a request twice over one connection. Returns the milliseconds until the responses begin. */
async function requestTwice({ port, head }) {
  const socket = connect(port, '127.0.0.1').setNoDelay(true);
  await once(socket, 'connect');
  const times = [];
  for (const _ of [1, 2]) {
    const started = performance.now();
    socket.write(head);
    const [bytes] = await once(socket, 'data');
    times.push(performance.now() - started);
    if (!bytes.toString('latin1').startsWith('HTTP/1.1 200')) throw new Error(bytes.toString('latin1'));
    // Leaves time for the rest of the response.
    await pause(50);
  }
  socket.destroy();
  return times;
}

const STARTS = 7;
