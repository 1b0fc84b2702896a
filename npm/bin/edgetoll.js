#!/usr/bin/env node
// The command `edgetoll`: the same Rust as the native command, compiled to WebAssembly with WASI. Node gives it the files, and on request
// the network and Wrangler.
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, parse, relative } from 'node:path';
import { MessageChannel, Worker, receiveMessageOnPort } from 'node:worker_threads';

// Node warns at the import that WASI is experimental.
process.removeAllListeners('warning');
const { WASI } = await import('node:wasi');

/** The memory of the command, and the result that it takes next. */
let memory;
let result = new Uint8Array();
/** The thread of network.js, which is started with the first request. */
let thread;
const imports = {
  /**
   * Handles a request of `src/cli/node.rs`. Returns the number of bytes of the result.
   * @param {number} at
   * @param {number} bytes
   */
  call(at, bytes) {
    const request = JSON.parse(new TextDecoder().decode(new Uint8Array(memory.buffer, at, bytes)));
    const handle = { wrangler, writePrivate }[request.call] ?? network;
    result = new TextEncoder().encode(JSON.stringify(handle(request)));
    return result.length;
  },
  /** @param {number} at */
  take(at) {
    new Uint8Array(memory.buffer, at, result.length).set(result);
  },
};

/**
 * Lets a thread handle a request, and waits for its result: the command is synchronous, and the network of Node is not.
 * @param {object} request
 */
function network(request) {
  thread ??= startThread();
  const { signal, port } = thread;
  Atomics.store(signal, 0, 0);
  port.postMessage(request);
  Atomics.wait(signal, 0, 0);
  return receiveMessageOnPort(port).message;
}

function startThread() {
  const { port1: port, port2 } = new MessageChannel();
  const signal = new Int32Array(new SharedArrayBuffer(4));
  new Worker(new URL('network.js', import.meta.url), { workerData: { signal, port: port2 }, transferList: [port2] });
  return { signal, port };
}

/**
 * Runs Wrangler. Its output is shown, or returned if `isCaptured`.
 * @param {{ args: string[], input: string | null, isCaptured: boolean, env: object }} request
 */
function wrangler({ args, input, isCaptured, env }) {
  let main;
  try {
    const description = createRequire(join(process.cwd(), 'package.json')).resolve('wrangler/package.json');
    main = join(dirname(description), JSON.parse(readFileSync(description, 'utf8')).bin.wrangler);
  } catch {
    return { fault: 'missing' };
  }
  const output = isCaptured ? 'pipe' : 'inherit';
  const stdio = [input === null ? 'inherit' : 'pipe', output, output];
  const options = { input: input ?? undefined, stdio, env: { ...process.env, ...env }, encoding: 'utf8' };
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...args], options);
  return { status: status ?? 1, output: stdout ?? '', error: stderr ?? '' };
}

/**
 * Writes a new file that only this user of the machine can read.
 * @param {{ file: string, content: string }} request
 */
function writePrivate({ file, content }) {
  try {
    writeFileSync(file, content, { mode: 0o600, flag: 'wx' });
    return {};
  } catch (error) {
    return { fault: error.code };
  }
}

const { root } = parse(process.cwd());
const wasi = new WASI({
  version: 'preview1',
  args: ['edgetoll', ...process.argv.slice(2)],
  env: { ...process.env, PWD: `/${relative(root, process.cwd()).replaceAll('\\', '/')}` },
  preopens: { '/': root },
});
const module = await WebAssembly.compile(readFileSync(new URL('edgetoll.wasm', import.meta.url)));
const instance = await WebAssembly.instantiate(module, { ...wasi.getImportObject(), edgetoll: imports });
memory = instance.exports.memory;
try {
  process.exit(wasi.start(instance));
} catch (error) {
  // The TOML parser recurses for each level of a file.
  if (!(error instanceof RangeError)) throw error;
  console.error('edgetoll: the file has too many levels to be read: simplify it');
  process.exit(2);
}
