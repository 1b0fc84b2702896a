// Prices that depend on `request.cf`. The tests run `workerd` without Wrangler, because only then can they set `request.cf`.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { send } from './support/client.mjs';
import { startRecordingOrigin } from './support/origin.mjs';
import { startBareWorker } from './support/workerd.mjs';

const routes = [
  { path: '/country', price: [{ when: { country: ['CH', 'LI'] }, sats: 30 }, { sats: 3 }] },
  { path: '/score', price: [{ when: { bot_score: { min: 1, max: 29 } }, sats: 20 }, { sats: 2 }] },
  { path: '/bot', price: [{ when: { verified_bot: ['AI *', 'Search Engine Crawler'] }, sats: 50 }, { sats: 5 }] },
];
let origin, url;
before(async () => {
  origin = await startRecordingOrigin();
  ({ url } = await startBareWorker({ toll: { routes }, vars: { ORIGIN_URL: origin.url } }));
});
after(() => origin.close());

test('A price can depend on country, bot score and verified bot category; a missing value matches no condition', async () => {
  for (const [path, cf, sats] of [
    ['/country', { country: 'CH' }, 30],
    ['/country', { country: 'US' }, 3],
    ['/country', { country: null }, 3],
    ['/country', {}, 3],
    ['/country', undefined, 3],
    ['/score', { botManagement: { score: 29 } }, 20],
    ['/score', { botManagement: { score: 30 } }, 2],
    ['/score', { botManagement: {} }, 2],
    ['/score', {}, 2],
    ['/bot', { verifiedBotCategory: 'AI Crawler' }, 50],
    ['/bot', { verifiedBotCategory: 'Search Engine Crawler' }, 50],
    ['/bot', { verifiedBotCategory: 'Feed Fetcher' }, 5],
    ['/bot', { verifiedBotCategory: '' }, 5],
    ['/bot', { verifiedBotCategory: 7 }, 5],
  ]) {
    const headers = cf ? { 'Cf-Blob': JSON.stringify(cf) } : {};
    const { status, headers: answered } = await send(url, path, { method: 'HEAD', headers });
    assert.equal(status, 402);
    assert.equal(answered['x-toll-price-sats'], String(sats), `${path} ${JSON.stringify(cf)}`);
  }
});
