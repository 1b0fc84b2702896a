// Starts and stops the servers of one run of a tool. Each server has its own process group and a pid file. The run stops its servers
// when it ends, also on Ctrl-C and SIGTERM. After a `kill -9` of a run, the next run finds the servers by their pid files and stops them.
import { spawn, spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../../', import.meta.url));
const runs = join(root, '.tools/run');

export class Run {
  #servers = new Set();
  #isEnding = false;

  /** Begins a run with a new folder. First stops the servers of earlier runs whose process is gone. */
  static begin(kind) {
    mkdirSync(runs, { recursive: true });
    sweep();
    const run = new Run(mkdtempSync(join(runs, `${kind}-`)));
    writeJson(join(run.dir, 'owner.json'), identity(process.pid));
    run.#stopWithProcess();
    return run;
  }

  /** Joins a run that another process began. The servers that this process starts stop when this process or the run ends. */
  static join(dir) {
    const run = new Run(dir);
    run.#stopWithProcess();
    return run;
  }

  constructor(dir) {
    this.dir = dir;
  }

  /** Whether `end` was called, so that the servers are being stopped. */
  get isEnding() {
    return this.#isEnding;
  }

  /** Creates a new folder in the run's folder and returns its path. */
  folder(name) {
    return mkdtempSync(join(this.dir, `${name}-`));
  }

  /** Starts a server and returns it. Its output goes to a file and, line by line, to `onLine`, if that is given. */
  start(name, command, args, { cwd = root, env = process.env, onLine } = {}) {
    if (this.#isEnding) throw new Error('the run is ending');
    const dir = this.folder(name);
    const log = join(dir, 'log');
    const file = openSync(log, 'a');
    // A write to a file costs the server less than one to a pipe.
    const output = onLine ? 'pipe' : file;
    const child = spawn(command, args, { cwd, env, detached: true, stdio: ['ignore', output, output] });
    const server = new Server(name, child, log, join(dir, 'pid.json'));
    child.on('error', (error) => server.fail(`${command}: ${error.message}`));
    if (child.pid) writeJson(server.pidFile, identity(child.pid));
    for (const stream of onLine ? [child.stdout, child.stderr] : []) {
      let rest = '';
      stream.setEncoding('utf8').on('data', (text) => {
        writeFileSync(file, text);
        const lines = (rest + text).split('\n');
        rest = lines.pop();
        lines.forEach((line) => onLine(line));
      });
      stream.on('end', () => rest && onLine(rest));
    }
    child.on('close', () => closeSync(file));
    this.#servers.add(server);
    return server;
  }

  /**
   * Stops the servers that this process started. In the process that began the run, also stops the servers of all other processes of
   * the run and removes its folder.
   */
  async end() {
    this.#isEnding = true;
    await Promise.all([...this.#servers].map((server) => server.stop()));
    if (readable(join(this.dir, 'owner.json'))?.pid !== process.pid) return;
    killGroups(this.dir);
    rmSync(this.dir, { recursive: true, force: true });
  }

  #stopWithProcess() {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
      process.on(signal, async () => {
        // Only the first signal waits for the servers to stop. After a second signal, the `exit` handler below kills them.
        if (!this.#isEnding) await this.end();
        process.exit(130);
      });
    }
    process.once('exit', () => this.#servers.forEach((server) => server.signal('SIGKILL')));
  }
}

class Server {
  #exited = new Promise((resolve) => (this.exit = resolve));
  #failure;

  constructor(name, child, log, pidFile) {
    Object.assign(this, { name, child, log, pidFile });
    child.once('exit', (code, signal) => {
      this.#failure ??= `${name} exited (${signal ?? code})`;
      this.exit();
    });
  }

  fail(message) {
    this.#failure = message;
    this.exit();
  }

  /** Waits until `probe` returns true. Throws if the server exits first, or after `seconds`. */
  async until(probe, seconds = 60) {
    const deadline = Date.now() + seconds * 1000;
    while (!(await probe())) {
      if (this.#failure) throw new Error(`${this.#failure}:\n${this.tail()}`);
      if (Date.now() > deadline) throw new Error(`${this.name} was not ready after ${seconds} s:\n${this.tail()}`);
      await pause(50);
    }
  }

  /** Waits until the server exits by itself and all its output has been read. */
  ended() {
    return new Promise((resolve) => this.child.once('close', resolve).once('error', resolve));
  }

  /** Returns the last 30 lines of the output. */
  tail() {
    try {
      return readFileSync(this.log, 'utf8').split('\n').slice(-30).join('\n');
    } catch {
      return '';
    }
  }

  signal(name) {
    if (this.child.pid) signalGroup(this.child.pid, name);
  }

  /** Stops the process group: SIGTERM, and SIGKILL after 8 seconds. */
  async stop() {
    this.signal('SIGTERM');
    const gone = (async () => {
      await this.#exited;
      while (groupLives(this.child.pid)) await pause(20);
    })();
    await Promise.race([gone, pause(8000)]);
    this.signal('SIGKILL');
    rmSync(this.pidFile, { force: true });
  }
}

/** Stops the servers of runs whose process is gone, and removes their folders. */
function sweep() {
  for (const name of readdirSync(runs)) {
    const dir = join(runs, name);
    const owner = readable(join(dir, 'owner.json'));
    if (owner ? lives(owner) : isFresh(dir)) continue;
    killGroups(dir);
    rmSync(dir, { recursive: true, force: true });
  }
}

function killGroups(dir) {
  for (const entry of safeList(dir)) {
    const server = readable(join(dir, entry, 'pid.json'));
    // The system does not reuse the ID of a process group while one of its processes lives. So a group whose leader is gone still
    // belongs to this server.
    if (server && (lives(server) || !identity(server.pid))) signalGroup(server.pid, 'SIGKILL');
  }
}

/** Identifies a process by its ID and its start time, because IDs are reused. Returns `undefined` if the process is gone. */
function identity(pid) {
  const started = startOf(pid);
  return started && { pid, started };
}

function lives({ pid, started }) {
  return startOf(pid) === started;
}

function startOf(pid) {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1).split(' ')[19];
  } catch {
    if (process.platform === 'linux') return undefined;
    return spawnSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' }).stdout.trim() || undefined;
  }
}

function signalGroup(pid, name) {
  try {
    process.kill(-pid, name);
  } catch {
    // The process group has already ended.
  }
}

function groupLives(pid) {
  try {
    process.kill(-pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** Whether a folder is less than a minute old: a new run may not have written its owner into the folder yet. */
function isFresh(dir) {
  return Number(spawnSync('find', [dir, '-maxdepth', '0', '-mmin', '-1'], { encoding: 'utf8' }).stdout.length) > 0;
}

function safeList(dir) {
  try {
    return readdirSync(dir);
  } catch {
    return [];
  }
}

/** Returns the JSON of a file; `undefined` if the file cannot be read or is not JSON. */
export function readable(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return undefined;
  }
}

export function writeJson(file, value) {
  writeFileSync(file, JSON.stringify(value, null, 2), { mode: 0o600 });
}

export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Waits until a condition holds. Throws if it does not hold within `seconds`. */
export async function until(condition, seconds = 20) {
  for (const deadline = Date.now() + seconds * 1000; !(await condition()); await pause(20)) {
    if (Date.now() > deadline) throw new Error(`a condition did not hold within ${seconds} s`);
  }
}

/** Returns the given port if it is free, else `undefined`. Without an argument, returns any free port. */
export async function freePort(port) {
  if (port) return isFree(port);
  // These ports are below the range for outgoing connections, so that no connection takes the port in the seconds before the server listens.
  const any = () => 20_000 + Math.floor(Math.random() * 12_000);
  for (let tries = 0; tries < 100; tries += 1) {
    const free = await isFree(any());
    if (free) return free;
  }
  throw new Error('no free port found');
}

function isFree(port) {
  return new Promise((resolve) => {
    const server = createServer().once('error', () => resolve(undefined));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(port)));
  });
}
