// Runs after all other tests. Searches the logs, caches and storage of every Worker of the run for the wallet keys, preimages
// and invoices in the databases of every LNbits of the run, and for the TOLL_SECRET, ORIGIN_TOKEN and ORIGIN_SECRET of every paywall.
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';

// tests/e2e/support/fault_proxy.mjs writes this marker into every response body that it makes up.
const MARKER = 'SECRET-OF-LNBITS';

const files = [...filesBelow(process.env.EDGETOLL_RUN)];

/** Yields the files below a folder. Symbolic links are not followed, because some lead back to the project. */
function* filesBelow(dir) {
  for (const entry of readdirSync(dir, { withFileTypes: true })) {
    const path = join(dir, entry.name);
    if (entry.isDirectory()) yield* filesBelow(path);
    else if (entry.isFile()) yield path;
  }
}

/** Returns the wallet keys, preimages and invoices in the LNbits databases, and TOLL_SECRET, ORIGIN_TOKEN and ORIGIN_SECRET of all paywalls. */
function secrets() {
  const found = { keys: new Set(), preimages: new Set(), invoices: new Set(), tollSecrets: new Set() };
  for (const file of files.filter((file) => ['.dev.vars', 'config.capnp'].includes(basename(file)))) {
    const settings = readFileSync(file, 'utf8').matchAll(/(?:TOLL_SECRET|ORIGIN_TOKEN|ORIGIN_SECRET)\w*"?(?:=|, text = )"([^"]{16,})"/g);
    for (const [, secret] of settings) found.tollSecrets.add(secret);
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

/** Whether a file is a log or the storage of a Worker, under Wrangler or in bare workerd. */
const isOfWorker = (file) =>
  /\/(wrangler|workerd)-[^/]+\/log$/.test(file) || file.includes('/wrangler-logs/') || /\/v3\/(kv|do|cache)\//.test(file);

test('No log and no storage of a Worker contains a wallet key, a preimage, an invoice or a TOLL_SECRET of the test run', () => {
  const { keys, preimages, invoices, tollSecrets } = secrets();
  const sizes = [keys, preimages, invoices, tollSecrets].map(({ size }) => size);
  assert.ok(sizes[0] >= 4 && sizes[1] >= 20 && sizes[2] >= 20 && sizes[3] >= 3, `${sizes}`);
  const workerFiles = files.filter(isOfWorker);
  const logs = workerFiles.filter((file) => basename(file) === 'log');
  assert.ok(logs.length >= 3, `${logs.length} logs`);
  assert.ok(logs.some((file) => readFileSync(file, 'utf8').includes('"event":"request"')));
  assert.ok(workerFiles.some((file) => file.endsWith('.sqlite')), 'no storage was read');
  // Whether a word contains a secret. A wallet key has 32 digits. A preimage or a TOLL_SECRET has 64 digits.
  const isSecret = (word) => [32, 64].some((length) => {
    for (let at = 0; at + length <= Math.min(word.length, 4096); at += 1) {
      const piece = word.slice(at, at + length);
      if (keys.has(piece) || preimages.has(piece) || tollSecrets.has(piece)) return true;
    }
    return false;
  });
  for (const file of workerFiles) {
    const text = readFileSync(file, 'latin1');
    const where = `${basename(dirname(file))}/${basename(file)}`;
    for (const word of text.match(/[0-9a-f]{32,}/gi) ?? []) assert.ok(!isSecret(word.toLowerCase()), where);
    for (const word of text.match(/lnbc[0-9a-z]{100,}/g) ?? []) assert.ok(!invoices.has(word), where);
    for (const toll of tollSecrets) assert.ok(!text.includes(toll), where);
    assert.ok(!text.includes(MARKER), where);
    assert.ok(!/preimage"?:"?[0-9a-f]/.test(text), where);
    assert.ok(!/L402 [A-Za-z0-9_-]{40}/.test(text), where);
  }
});
