// The size of the Worker, and what its start costs: compiling the wasm, and the first requests of a new workerd.
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { pause, root } from '../tools/lib/run.mjs';
import { median, newCase, startEdgetoll, startRustPass, startWorker, table } from './lib.mjs';

const EDGETOLL = join(root, 'build');
const RUST = join(root, 'benches/workers/rust-pass/build');

/** Returns a table of compressed sizes, and one of the bytes of code of each crate, and of each module of edgetoll. */
export function sizeTables() {
  const sizes = [['edgetoll', EDGETOLL], ['Rust: fetch(request)', RUST]].map(([name, folder]) => {
    const [wasm, js] = ['index_bg.wasm', 'index.js'].map((file) => gzipSync(readFileSync(join(folder, file)), { level: 9 }).length);
    return [name, ...[wasm, js, wasm + js].map(thousands)];
  });
  return [table(['Worker', 'wasm, gzip', 'JavaScript, gzip', 'together'], sizes), codeTable()].join('\n\n');
}

/** Returns a table of the code before wasm-opt, which removes the names. Code of generic functions belongs to the crate that defines them. */
function codeTable() {
  const functions = readFunctions(readFileSync(join(root, 'target/worker/worker/index_bg.wasm')));
  const total = functions.reduce((sum, { size }) => sum + size, 0);
  const owners = {};
  for (const { name, size } of functions) owners[ownerOf(name)] = (owners[ownerOf(name)] ?? 0) + size;
  const [large, small] = [(size) => size >= total / 100, (size) => size < total / 100].map((fits) => Object.entries(owners).filter(([, size]) => fits(size)));
  large.sort(([, a], [, b]) => b - a);
  const rows = [...large, ['others, each below 1 %', small.reduce((sum, [, size]) => sum + size, 0)]];
  return table(['crate or module', 'bytes of code', 'share'], rows.map(([name, size]) => [name, thousands(size), `${((100 * size) / total).toFixed(1)} %`]));
}

/** Returns the crate of a function, and for a function of edgetoll also its module. */
function ownerOf(name) {
  const [, crate, module] = /([a-z_][a-z0-9_]*)(?:\[[0-9a-f]+\])?::(\w*)/.exec(name) ?? [];
  return crate === 'edgetoll' ? `edgetoll::${module}` : (crate ?? 'exports and others without the name of a crate');
}

/** Returns name and size of each function in a wasm file. The file must have a name section. */
function readFunctions(bytes) {
  const module = new WebAssembly.Module(bytes);
  const [names] = WebAssembly.Module.customSections(module, 'name').map((section) => readNames(new Reader(Buffer.from(section))));
  const imports = WebAssembly.Module.imports(module).filter(({ kind }) => kind === 'function').length;
  const reader = new Reader(bytes, 8);
  while (reader.byte() !== CODE_SECTION) reader.skip(reader.number());
  reader.number();
  return Array.from({ length: reader.number() }, (_, at) => {
    const size = reader.number();
    reader.skip(size);
    return { name: names.get(imports + at) ?? '', size };
  });
}

/** Returns the name of each function from a name section. */
function readNames(reader) {
  while (reader.byte() !== FUNCTION_NAMES) reader.skip(reader.number());
  reader.number();
  return new Map(Array.from({ length: reader.number() }, () => [reader.number(), reader.text()]));
}

class Reader {
  constructor(bytes, at = 0) {
    Object.assign(this, { bytes, at });
  }

  byte() {
    return this.bytes[this.at++];
  }

  /** Reads an unsigned number in LEB128. */
  number() {
    for (let [value, shift] = [0, 0]; ; shift += 7) {
      const byte = this.byte();
      value |= (byte & 127) << shift;
      if (byte < 128) return value;
    }
  }

  text() {
    const length = this.number();
    this.skip(length);
    return this.bytes.toString('utf8', this.at - length, this.at);
  }

  skip(bytes) {
    this.at += bytes;
  }
}

const CODE_SECTION = 10;
const FUNCTION_NAMES = 1;

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

/** Returns a table of the time of the first two requests of a new workerd. */
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
      times.push(await requestTwice(newCase(name, server, '/unlisted', headers).load));
      await server.stop();
    }
  }
  const rows = cases.map(({ name, times }) => [name, ...[0, 1].map((at) => median(times.map((one) => one[at])).toFixed(1))]);
  return table(['Worker', 'first request, ms', 'second request, ms'], rows);
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

const STARTS = 9;

function thousands(number) {
  return number.toLocaleString('en');
}
