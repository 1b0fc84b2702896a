// After everything else: what the whole run must never have written into a log, a cache or a store of the Worker. Every LNbits
// of the run knows its keys, preimages and invoices; they are looked for.
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';

// As tests/e2e/support/faulty.mjs writes it into every wrong answer.
const MARK = 'SECRET-OF-LNBITS';

const files = [...below(process.env.EDGETOLL_RUN)];

/** The files below a folder; no link is followed, since some lead back to the project. */
function* below(dir) {
  for (const entry of readdirSync(dir, { withFileTypes: true })) {
    const path = join(dir, entry.name);
    if (entry.isDirectory()) yield* below(path);
    else if (entry.isFile()) yield path;
  }
}

/** Keys, preimages and invoices, from the databases of every LNbits that ran, and the secrets of every paywall. */
function secrets() {
  const found = { keys: new Set(), preimages: new Set(), invoices: new Set(), tolls: new Set() };
  for (const file of files.filter((file) => ['.dev.vars', 'config.capnp'].includes(basename(file)))) {
    const settings = readFileSync(file, 'utf8').matchAll(/(?:TOLL_SECRET|ORIGIN_TOKEN)\w*"?(?:=|, text = )"([^"]{16,})"/g);
    for (const [, secret] of settings) found.tolls.add(secret);
  }
  for (const file of files.filter((file) => basename(file) === 'database.sqlite3')) {
    const database = new DatabaseSync(file, { readOnly: true });
    for (const { adminkey, inkey } of database.prepare('SELECT adminkey, inkey FROM wallets').all()) {
      found.keys.add(adminkey).add(inkey);
    }
    for (const { preimage, bolt11 } of database.prepare('SELECT preimage, bolt11 FROM apipayments').all()) {
      if (preimage) found.preimages.add(preimage);
      if (bolt11) found.invoices.add(bolt11);
    }
    database.close();
  }
  return found;
}

/** Logs of the Worker, under Wrangler and bare, and what it stored. */
const isOfWorker = (file) =>
  /\/(wrangler|workerd)-[^/]+\/log$/.test(file) || file.includes('/wrangler-logs/') || /\/v3\/(kv|do|cache)\//.test(file);

test('no log and no store of the Worker holds a key, a preimage or an invoice of the run', () => {
  const { keys, preimages, invoices, tolls } = secrets();
  const sizes = [keys, preimages, invoices, tolls].map(({ size }) => size);
  assert.ok(sizes[0] >= 4 && sizes[1] >= 20 && sizes[2] >= 20 && sizes[3] >= 3, `${sizes}`);
  const read = files.filter(isOfWorker);
  const logs = read.filter((file) => basename(file) === 'log');
  assert.ok(logs.length >= 3, `${logs.length} logs`);
  assert.ok(logs.some((file) => readFileSync(file, 'utf8').includes('"event":"request"')));
  assert.ok(read.some((file) => file.endsWith('.sqlite')), 'stores too');
  // Long hex is cut into every piece that could be a secret: 32 digits a key, 64 a preimage or a toll secret.
  const isSecret = (word) => [32, 64].some((length) => {
    for (let at = 0; at + length <= Math.min(word.length, 4096); at += 1) {
      const piece = word.slice(at, at + length);
      if (keys.has(piece) || preimages.has(piece) || tolls.has(piece)) return true;
    }
    return false;
  });
  for (const file of read) {
    const text = readFileSync(file, 'latin1');
    const where = `${basename(dirname(file))}/${basename(file)}`;
    for (const word of text.match(/[0-9a-f]{32,}/gi) ?? []) assert.ok(!isSecret(word.toLowerCase()), where);
    for (const word of text.match(/lnbc[0-9a-z]{100,}/g) ?? []) assert.ok(!invoices.has(word), where);
    for (const toll of tolls) assert.ok(!text.includes(toll), where);
    assert.ok(!text.includes(MARK), where);
    assert.ok(!/preimage"?:"?[0-9a-f]/.test(text), where);
    assert.ok(!/L402 [A-Za-z0-9_-]{40}/.test(text), where);
  }
});
