// For each request, records one new payment in the ledger, with the command `record_settled`.
export default {
  async fetch(_, { LEDGER }) {
    const hash = [...crypto.getRandomValues(new Uint8Array(32))].map((byte) => byte.toString(16).padStart(2, '0')).join('');
    const now_ms = Date.now();
    const minted_unix = Math.floor(now_ms / 1000);
    const settled = new Date(now_ms).toISOString();
    const receipt = { hash, route: '/api/joke', sats: 5, payer: hash.slice(0, 32), minted_unix, settled };
    const command = { now_ms, wallet: '1', has_callback: true, receipts: [receipt] };
    const ledger = LEDGER.get(LEDGER.idFromName('all'));
    const headers = { 'Toll-Request': 'record_settled' };
    return ledger.fetch('https://object.invalid/', { method: 'POST', headers, body: JSON.stringify(command) });
  },
};
