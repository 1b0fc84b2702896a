// The servers of one run: each in a process group of its own, each with a pid file. A run ends them when it ends, on
// Ctrl-C and SIGTERM too; what a `kill -9` left behind is found by its pid file and ended by the next run.
import { spawn, spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';

export const root = new URL('../../', import.meta.url).pathname;
const runs = join(root, '.tools/run');

export class Run {
  #servers = new Set();
  #isEnding = false;

  /** A run with a folder of its own. Ends first what dead runs left. */
  static begin(kind) {
    mkdirSync(runs, { recursive: true });
    sweep();
    const run = new Run(mkdtempSync(join(runs, `${kind}-`)));
    writeJson(join(run.dir, 'owner.json'), identity(process.pid));
    run.#endWithUs();
    return run;
  }

  /** The run that another process began: servers started here end with us, and with it. */
  static join(dir) {
    const run = new Run(dir);
    run.#endWithUs();
    return run;
  }

  constructor(dir) {
    this.dir = dir;
  }

  /** Whether its servers are being ended. */
  get isEnding() {
    return this.#isEnding;
  }

  /** A new folder in the run's. */
  folder(name) {
    return mkdtempSync(join(this.dir, `${name}-`));
  }

  /** Starts a server; its output goes to a file and, line by line, to `onLine`. */
  start(name, command, args, { cwd = root, env = process.env, onLine } = {}) {
    if (this.#isEnding) throw new Error('the run is ending');
    const dir = this.folder(name);
    const log = join(dir, 'log');
    const child = spawn(command, args, { cwd, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
    const server = new Server(name, child, log, join(dir, 'pid.json'));
    child.on('error', (error) => server.fail(`${command}: ${error.message}`));
    if (child.pid) writeJson(server.pidFile, identity(child.pid));
    const file = openSync(log, 'a');
    for (const stream of [child.stdout, child.stderr]) {
      let rest = '';
      stream.setEncoding('utf8').on('data', (text) => {
        writeFileSync(file, text);
        const lines = (rest + text).split('\n');
        rest = lines.pop();
        lines.forEach((line) => onLine?.(line));
      });
      stream.on('end', () => rest && onLine?.(rest));
    }
    child.on('close', () => closeSync(file));
    this.#servers.add(server);
    return server;
  }

  /** Ends the servers started here; whoever began the run ends all of it and removes the folder. */
  async end() {
    this.#isEnding = true;
    await Promise.all([...this.#servers].map((server) => server.stop()));
    if (readable(join(this.dir, 'owner.json'))?.pid !== process.pid) return;
    endGroups(this.dir);
    rmSync(this.dir, { recursive: true, force: true });
  }

  #endWithUs() {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
      process.on(signal, async () => {
        // Whoever asks twice does not want to wait: the exit below kills what is left.
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
      this.#failure ??= `${name} ended (${signal ?? code})`;
      this.exit();
    });
  }

  fail(message) {
    this.#failure = message;
    this.exit();
  }

  /** Waits until `probe` is true; fails when the server ends before, or when it takes too long. */
  async until(probe, seconds = 60) {
    const deadline = Date.now() + seconds * 1000;
    while (!(await probe())) {
      if (this.#failure) throw new Error(`${this.#failure}:\n${this.tail()}`);
      if (Date.now() > deadline) throw new Error(`${this.name} was not ready after ${seconds} s:\n${this.tail()}`);
      await pause(50);
    }
  }

  /** Waits until it ends by itself and all of its output has been seen. */
  ended() {
    return new Promise((resolve) => this.child.once('close', resolve).once('error', resolve));
  }

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

  /** Ends the group: asks, waits, insists. */
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

/** Ends the servers of runs whose process is gone, and removes their folders. */
function sweep() {
  for (const name of readdirSync(runs)) {
    const dir = join(runs, name);
    const owner = readable(join(dir, 'owner.json'));
    if (owner ? lives(owner) : isFresh(dir)) continue;
    endGroups(dir);
    rmSync(dir, { recursive: true, force: true });
  }
}

function endGroups(dir) {
  for (const entry of safeList(dir)) {
    const server = readable(join(dir, entry, 'pid.json'));
    // A group's id is not given to another process while one of its members lives, so a dead leader's group is still its.
    if (server && (lives(server) || !identity(server.pid))) signalGroup(server.pid, 'SIGKILL');
  }
}

/** A process, by its number and the moment it started: numbers are used again. */
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
    // Gone already.
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

/** A run writes its owner right after it made its folder: a folder without one is being begun, or was left long ago. */
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

/** A port of this machine that can be listened on: this one, else `undefined`; any, where none is named. */
export async function freePort(port) {
  if (port) return isFree(port);
  // Below the range that outgoing connections take theirs from: a server may need seconds before it listens.
  const any = () => 20_000 + Math.floor(Math.random() * 12_000);
  for (let tries = 0; tries < 100; tries += 1) {
    const free = await isFree(any());
    if (free) return free;
  }
  throw new Error('no port of this machine is free');
}

function isFree(port) {
  return new Promise((resolve) => {
    const server = createServer().once('error', () => resolve(undefined));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(port)));
  });
}
