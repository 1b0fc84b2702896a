// For each request, records one new payment in the ledger.
export default {
  async fetch(_, { LEDGER }) {
    const hash = [...crypto.getRandomValues(new Uint8Array(32))].map((byte) => byte.toString(16).padStart(2, '0')).join('');
    const now_ms = Date.now();
    const receipt = { hash, route: '/api/joke', sats: 5, payer: hash.slice(0, 32), minted_unix: Math.floor(now_ms / 1000), settled: new Date(now_ms).toISOString() };
    const ledger = LEDGER.get(LEDGER.idFromName('all'));
    const body = JSON.stringify({ now_ms, wallet: '1', tells: true, receipts: [receipt] });
    return ledger.fetch('https://object.invalid/settle', { method: 'POST', body });
  },
};
