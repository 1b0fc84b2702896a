// The size of the Worker: compressed, by feature, and by crate.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { root } from '../tools/lib/run.mjs';
import { table } from './lib.mjs';
import { EDGETOLL, RUST } from './startup.mjs';

/** Returns a table of compressed sizes, one of what each feature adds, and one of the code of each crate and module of edgetoll. */
export function sizeTables() {
  const sizes = [['edgetoll', EDGETOLL], ['Rust: fetch(request)', RUST]].map(([name, folder]) => {
    const [wasm, js] = ['index_bg.wasm', 'index.js'].map((file) => gzipSync(readFileSync(join(folder, file)), { level: 9 }).length);
    return [name, ...[wasm, js, wasm + js].map(thousands)];
  });
  const named = readFileSync(join(root, 'target/worker/worker/index_bg.wasm'));
  const functions = readFunctions(named);
  return [table(['Worker', 'wasm, gzip', 'JavaScript, gzip', 'together'], sizes), featureTable(named, functions), codeTable(functions)].join('\n\n');
}

/**
 * Returns a table of what each feature adds to the compressed wasm. For each feature, a build is made in which its functions are
 * empty, and wasm-opt removes what only they call.
 */
function featureTable(named, functions) {
  const whole = compressed(named);
  const rows = FEATURES.map(([feature, pattern]) => {
    const cut = Buffer.from(named);
    for (const { name, at, size } of functions) {
      if (!pattern.test(name)) continue;
      // No locals, `unreachable`, and `nop` until the end.
      cut.fill(NOP, at, at + size);
      cut.set([0, UNREACHABLE], at);
      cut.set([END], at + size - 1);
    }
    return [feature, thousands(whole - compressed(cut))];
  });
  return table(['feature', 'wasm, gzip'], rows);
}

/** Returns the size of a wasm file after wasm-opt and gzip. */
function compressed(wasm) {
  const options = ['--all-features', '--disable-compact-imports', '--strip-debug', '-O3', '--low-memory-unused', '--zero-filled-memory', '-', '-o', '-'];
  return gzipSync(execFileSync(join(root, 'node_modules/.bin/wasm-opt'), options, { input: wasm, maxBuffer: 1 << 24 }), { level: 9 }).length;
}

/** Returns a table of the code before wasm-opt, which removes the names. Code of generic functions belongs to the crate that defines them. */
function codeTable(functions) {
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

/** Returns name, position and size of each function in a wasm file. The file must have a name section. */
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
    return { name: names.get(imports + at) ?? '', at: reader.at - size, size };
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
const [UNREACHABLE, NOP, END] = [0x00, 0x01, 0x0b];

/** Each feature, and the names of its functions. A function that the compiler has inlined counts for the one that calls it. */
const FEATURES = [
  ['reading the price list and the settings', /edgetoll::(policy::price_list|edge::platform::environment|config|strict_json)|serde_json|serde_core/],
  ['macaroons and credentials', /edgetoll::(protocols::l402|keys)/],
  ['challenges, invoices and wallets', /edgetoll::(edge::handlers::(challenge|purchase)|edge::services::(wallets|settlement)|wallet::|bolt11)/],
  ['rate limits', /edgetoll::(edge::services::rate_limits|limits::(rate_limit|invoice_limit))|^invoicelimit_/],
  ['counted uses', /edgetoll::(edge::services::meter|limits::(uses|isolate_uses))|^meter_/],
  ['free tier', /edgetoll::(edge::services::free_tier|edge::handlers::free_tier|policy::free_tier)|^freetiercounter_/],
  ['ledger, callbacks and wallet sync', /edgetoll::(ledger|edge::objects::ledger|edge::services::(ledger|wallet_sync))|^(ledger_|scheduled)/],
  ['edgetoll\'s own endpoints', /edgetoll::(edge::handlers::(answer_endpoint|health|settle|admin|webhook|catalog|page)|admin|pages)/],
  ['path normalization', /edgetoll::policy::(normalization|resolve|plain_path)/],
  ['forwarding', /edgetoll::(forward|edge::handlers::forward|http::origin_headers|http::header)/],
];

function thousands(number) {
  return number.toLocaleString('en');
}
