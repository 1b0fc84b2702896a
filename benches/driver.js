// Sends a command to the ledger for each request: `/record?payments=N` records N new payments, and `/stats` reads the statistics of
// the dashboard.
export default {
  async fetch(request, { LEDGER }) {
    const { pathname, searchParams } = new URL(request.url);
    const now_ms = Date.now();
    const [command, fields] = pathname === '/stats' ? ['read_stats', { now_ms }] : ['record_settled', payments(Number(searchParams.get('payments')), now_ms)];
    const ledger = LEDGER.get(LEDGER.idFromName('all'));
    return ledger.fetch('https://object.invalid/', { method: 'POST', headers: { 'Toll-Request': command }, body: JSON.stringify(fields) });
  },
};

function payments(count, now_ms) {
  const minted_unix = Math.floor(now_ms / 1000);
  const settled = new Date(now_ms).toISOString();
  const receipts = Array.from({ length: count }, () => {
    const hash = [...crypto.getRandomValues(new Uint8Array(32))].map((byte) => byte.toString(16).padStart(2, '0')).join('');
    return { hash, route: '/api/joke', sats: 5, payer: hash.slice(0, 32), minted_unix, settled };
  });
  return { now_ms, wallet: '1', has_callback: true, receipts };
}
