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
 * Returns a table of what each feature adds to the compressed wasm. For each feature, a build is made in which its functions only
 * return zeros, and wasm-opt removes what only they call.
 */
function featureTable(named, functions) {
  const whole = compressed(named);
  const rows = FEATURES.map(([feature, pattern]) => {
    const cut = Buffer.from(named);
    for (const { name, at, size, results } of functions) {
      // Without locals: `nop` as often as needed, the results, and `end`.
      const end = [...results.flatMap((type) => ZERO[type]), END];
      if (!pattern.test(name) || end.length >= size) continue;
      cut.fill(NOP, at, at + size);
      cut.set([0], at);
      cut.set(end, at + size - end.length);
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
  const [, crate, module] = /([a-z_][a-z0-9_]*)::(\w*)/.exec(name) ?? [];
  return crate === 'edgetoll' ? `edgetoll::${module}` : (crate ?? 'exports and others without the name of a crate');
}

/** Returns name, position, size and types of results of each function in a wasm file. The file must have a name section. */
function readFunctions(bytes) {
  const module = new WebAssembly.Module(bytes);
  const [names] = WebAssembly.Module.customSections(module, 'name').map((section) => readNames(new Reader(Buffer.from(section))));
  const imports = WebAssembly.Module.imports(module).filter(({ kind }) => kind === 'function').length;
  const types = readSection(bytes, TYPE_SECTION, readResults);
  const typeOf = readSection(bytes, FUNCTION_SECTION, (reader) => reader.number());
  return readSection(bytes, CODE_SECTION, (reader, at) => {
    const size = reader.number();
    reader.skip(size);
    // `edgetoll[0123456789abcdef]::gate` is `edgetoll::gate`.
    const name = (names.get(imports + at) ?? '').replace(/\[[0-9a-f]+\]/g, '');
    return { name, at: reader.at - size, size, results: types[typeOf[at]] };
  });
}

/** Returns the types of the results of a function type. */
function readResults(reader) {
  if (reader.byte() !== FUNCTION_TYPE) throw new Error('a type that is not one of a function');
  const types = () => Array.from({ length: reader.number() }, () => reader.byte());
  types();
  return types();
}

/** Reads the entries of a section. */
function readSection(bytes, section, readEntry) {
  const reader = new Reader(bytes, 8);
  while (reader.byte() !== section) reader.skip(reader.number());
  reader.number();
  return Array.from({ length: reader.number() }, (_, at) => readEntry(reader, at));
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
const [NOP, END] = [0x01, 0x0b];
const [TYPE_SECTION, FUNCTION_SECTION, FUNCTION_TYPE] = [1, 3, 0x60];
/** The instruction that returns zero or null, by type: i32, i64, f32, f64, externref. */
const ZERO = { 0x7f: [0x41, 0], 0x7e: [0x42, 0], 0x7d: [0x43, 0, 0, 0, 0], 0x7c: [0x44, 0, 0, 0, 0, 0, 0, 0, 0], 0x6f: [0xd0, 0x6f] };

/** Each feature, and the names of its functions. A function that the compiler has inlined counts for the one that calls it. */
const FEATURES = [
  ['reading the price list and the settings', /edgetoll::(policy::price_list|edge::platform::environment|config|strict_json)|serde_json|serde_core/],
  ['macaroons and credentials', /edgetoll::(protocols::l402|keys)/],
  ['challenges, invoices and wallets', /edgetoll::(edge::handlers::(challenge|purchase)|edge::services::(wallets|settlement)|wallet::|bolt11)/],
  ['Nostr Wallet Connect', /edgetoll::(nwc|wallet::nwc|edge::objects::nwc_connection|edge::services::(wallets::nwc|wallet_sync::nwc))|k256|elliptic_curve|crypto_bigint|primeorder|chacha20|aes::|cbc|^nwcconnection_/],
  ['X-Preimage', /edgetoll::(protocols::(x_preimage|record|offered)|edge::services::wallets::find_invoice|edge::handlers::purchase::serve_preimage)/],
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
