// What the paying commands print: no secret, no control character of a server, and after a payment never that nothing was paid.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { test } from 'node:test';
import { newUser, paidDuring } from './support/command.mjs';
import { run } from './support/paywall.mjs';
import { startTollServer } from './support/toll_server.mjs';

const program = join(run.dir, 'edgetoll');
const SECRET = 'SECRET-OF-THE-WALLET';

/** Runs a command line of a shell as a user. Returns its exit code. */
function shell(user, commandLine) {
  const env = { PATH: process.env.PATH, HOME: user.home, EDGETOLL_CONFIG: user.config, EDGETOLL: program };
  return new Promise((resolve) => {
    execFile('bash', ['-c', commandLine], { env }, (error, stdout, stderr) => resolve({ code: error?.code ?? 0, stdout, stderr }));
  });
}

test('A paid response that cannot be written ends with code 8, and the next command gets it', async (t) => {
  for (const command of ['fetch -s -o /dev/full', 'fetch -s --json']) {
    const server = await startTollServer();
    t.after(server.close);
    const user = newUser();
    const { paid, result } = await paidDuring(async () => [await shell(user, `"$EDGETOLL" ${command} ${server.url} > /dev/full`), await user.fetch('-s', server.url)]);
    assert.deepEqual([paid, result.map(({ code }) => code), result[1].stdout], [[5], [8, 0], 'content'], result[0].stderr);
    assert.match(result[0].stderr, /5 sats were paid/);
  }
});

test('-o writes to a device', async (t) => {
  const server = await startTollServer();
  t.after(server.close);
  const { code, stderr } = await newUser().fetch('-o', '/dev/null', server.url);
  assert.equal(code, 0, stderr);
});

test('No command panics if its output is closed', async (t) => {
  const server = await startTollServer();
  t.after(server.close);
  const user = newUser();
  await user.fetch('-s', server.url);
  for (const command of [`fetch --json ${server.url}`, `fetch --dry-run ${server.url}/other`, 'payments', 'payments --json', 'credentials', 'wallet']) {
    const { stderr } = await shell(user, `"$EDGETOLL" ${command} > >(exec 0<&-)`);
    assert.doesNotMatch(stderr, /panicked/, command);
  }
});

test('Control characters of a server do not reach the terminal', async (t) => {
  const seller = await startTollServer((_, response, { isPaid, challenge }) => (isPaid ? undefined : challenge({ caveats: ['realm = \x1b[2Jevil'] })));
  t.after(seller.close);
  const liar = await startTollServer((_, response, { challenge }) => challenge({ caveats: ['host = \x1b[2Jevil'] }));
  t.after(liar.close);
  const user = newUser();
  const results = [await user.fetch('-s', seller.url), await user.command('credentials'), await user.fetch(liar.url)];
  assert.match(results[1].stdout, /evil/);
  assert.match(results[2].stderr, /evil/);
  for (const { stdout, stderr } of results) assert.doesNotMatch(stdout + stderr, /\x1b/);
});

test('A secret in the command line of a wallet is not shown and not in the journal', async (t) => {
  const server = await startTollServer();
  t.after(server.close);
  for (const line of [`PASSWORD=${SECRET} false`, `PASSWORD="a ${SECRET}" false`, `"/x y/pay" ${SECRET}`, `${SECRET}() { false; }; ${SECRET}`]) {
    const user = newUser({ wallet_command: line });
    const results = [await user.fetch(server.url), await user.command('wallet'), await user.command('payments', '--json')];
    const shown = results.map(({ stdout, stderr }) => stdout + stderr).join('');
    assert.doesNotMatch(shown + readFileSync(user.journal, 'utf8'), new RegExp(SECRET), line);
  }
});

test('A URL with a user or a password is refused, and the password is not shown', async (t) => {
  const server = await startTollServer();
  t.after(server.close);
  const results = [await newUser().fetch(server.url.replace('://', `://me:${SECRET}@`)), await newUser().fetch(`http://me:${SECRET}@:x/`)];
  assert.deepEqual([results.map(({ code }) => code), server.requests], [[3, 3], []]);
  assert.match(results[0].stderr, /send them in the header Authorization/);
  // The prefix makes a user of the host.
  const stats = ['stats', 'http://127.0.0.1:1', '--prefix', `@127.0.0.1:${server.port}`];
  const { code } = await newUser().start(stats, { more: { ADMIN_TOKEN: SECRET } }).ended;
  assert.deepEqual([code, server.requests], [3, []]);
  assert.doesNotMatch(results.map(({ stderr }) => stderr).join(''), new RegExp(SECRET));
});

test('A request without encryption to this machine does not go through a proxy', async (t) => {
  const seen = [];
  const proxy = createServer((request, response) => {
    seen.push(request.url);
    response.end('{"balance":1000}');
  });
  await new Promise((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  t.after(() => proxy.close());
  const server = await startTollServer();
  t.after(server.close);
  const more = { http_proxy: `http://127.0.0.1:${proxy.address().port}`, ADMIN_TOKEN: SECRET };
  const user = newUser();
  const { paid } = await paidDuring(async () => {
    for (const args of [['wallet'], ['fetch', server.url], ['stats', server.url]]) await user.start(args, { more }).ended;
  });
  assert.deepEqual([seen, paid], [[], [5]]);
});

test('Hostile methods and hosts pay nothing and do not panic', async (t) => {
  const server = await startTollServer();
  t.after(server.close);
  const port = server.port;
  for (const args of [['-X', 'CONNECT', server.url], ['file:///etc/passwd'], ['data:,x'], ['http://'], [`http://0x7f.1:${port}/`, '--max-sats', '0'], ['-H', 'X: a\r\nY: b', server.url]]) {
    const { paid, result } = await paidDuring(() => newUser().fetch(...args));
    assert.deepEqual(paid, [], args.join(' '));
    assert.doesNotMatch(result.stderr, /panicked/, args.join(' '));
    assert.notEqual(result.code, 0, args.join(' '));
  }
});
