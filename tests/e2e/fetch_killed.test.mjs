// `edgetoll fetch` is killed between the challenge and the answer. The next command never pays again for what is paid, and gets it.
import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { root, until } from '../../tools/lib/run.mjs';
import { newUser, paidDuring } from './support/command.mjs';
import { lnbits } from './support/paywall.mjs';
import { startTollServer } from './support/toll_server.mjs';

const script = join(root, 'tests/e2e/support/wallet_command.mjs');

/** Where the command is killed: at an answer of the server, or at a stage of the wallet's program. */
const points = {
  'the request has arrived': { server: ({ isPaid }, response) => !isPaid && hold(response) },
  'half of the 402 has arrived': {
    server: ({ isPaid }, response) => !isPaid && (response.writeHead(402, { 'WWW-Authenticate': 'L402 macaroon="a", invoice="b"', 'Content-Length': 100 }).write('{'), hold(response)),
  },
  'the wallet has the invoice and has not paid': { stage: 'begin' },
  'the wallet pays later': { stage: 'late' },
  'the wallet has paid and has printed nothing': { stage: 'paid' },
  'the wallet has printed half of the preimage': { stage: 'half' },
  'the wallet has printed the preimage and has not ended': { stage: 'printed' },
  'the paid request has arrived': { server: ({ isPaid }, response) => isPaid && hold(response) },
  'the headers of the answer have arrived': { server: ({ isPaid }, response) => isPaid && (response.writeHead(200, { 'Content-Length': 7 }).flushHeaders(), hold(response)) },
  'half of the answer has arrived': { server: ({ isPaid }, response) => isPaid && (response.writeHead(200, { 'Content-Length': 7 }).write('con'), hold(response)) },
};

for (const protocol of ['l402', 'x-preimage']) {
  for (const [name, { server: holds, stage }] of Object.entries(points)) {
    test(`${protocol}: killed when ${name}`, async () => {
      let isHolding = false;
      let isAgain = false;
      const server = await startTollServer((_, response, { isPaid }) => {
        if (!isAgain && holds?.({ isPaid }, response)) isHolding = true;
      }, { protocol });
      const user = newUser({ wallet_command: `'${process.execPath}' '${script}'` });
      const mark = join(user.home, 'mark');
      const go = join(user.home, 'go');
      const more = { LNBITS_URL: lnbits.url, LNBITS_ADMIN_KEY: lnbits.payer.adminKey, WALLET_MARK: mark, WALLET_GO: go };
      const { paid, result } = await paidDuring(async () => {
        const first = user.start(['fetch', '-s', server.url], { more: { ...more, WALLET_STAGE: stage ?? '' } });
        await until(() => isHolding || existsSync(mark));
        await first.kill();
        if (stage === 'late') writeFileSync(go, '');
        else if (stage) process.kill(Number(readFileSync(mark, 'utf8')), 'SIGKILL');
        isAgain = true;
        return user.start(['fetch', '-s', server.url], { more }).ended;
      });
      server.close();
      assert.deepEqual([result.code, result.stdout], [0, 'content'], result.stderr);
      assert.deepEqual(paid, [5]);
    });
  }
}

/** Leaves a response open. */
function hold(response) {
  return (response.isHeld = true);
}
