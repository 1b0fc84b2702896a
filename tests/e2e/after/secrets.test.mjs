// After everything else: what the whole run must never have written into a log, a cache or a store of the Worker. Every LNbits
// of the run knows its keys, preimages and invoices; they are looked for.
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';

const files = readdirSync(process.env.EDGETOLL_RUN, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map((entry) => join(entry.parentPath, entry.name));

/** Keys, preimages and invoices, from the databases of every LNbits that ran. */
function secrets() {
  const found = { keys: new Set(), preimages: new Set(), invoices: new Set() };
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
  /\/(wrangler|workerd)-[^/]+\/log$/.test(file) ||
  file.includes('/wrangler-logs/') ||
  (/\/(paywall|settlement-state)-[^/]+\//.test(file) && /\/(state|v3|kv|do|cache)\//.test(file));

test('no log and no store of the Worker holds a key, a preimage or an invoice of the run', () => {
  const { keys, preimages, invoices } = secrets();
  assert.ok(keys.size >= 4 && preimages.size >= 20 && invoices.size >= 20, `${keys.size} ${preimages.size} ${invoices.size}`);
  const read = files.filter(isOfWorker);
  const logs = read.filter((file) => basename(file) === 'log');
  assert.ok(logs.length >= 3, `${logs.length} logs`);
  assert.ok(logs.some((file) => readFileSync(file, 'utf8').includes('"event":"request"')));
  assert.ok(read.some((file) => file.endsWith('.sqlite')), 'stores too');
  for (const file of read) {
    const text = readFileSync(file, 'latin1');
    for (const word of text.match(/[0-9a-f]{32,}|lnbc[0-9a-z]{100,}/g) ?? []) {
      const where = `${basename(dirname(file))}/${basename(file)}`;
      for (const kind of [keys, preimages, invoices]) assert.ok(!kind.has(word), where);
      for (let at = 0; at + 64 <= word.length; at += 1) assert.ok(!preimages.has(word.slice(at, at + 64)), where);
    }
    assert.ok(!/preimage"?:"?[0-9a-f]/.test(text), basename(file));
  }
});
