// Sends commands to a Durable Object for each request, `calls` at once. To the ledger: `/record?payments=N` records N new payments with
// each call, `/stats` reads the statistics of the dashboard, and `/export` exports all payments. `/use` takes a use of one payment, and
// ends one that was taken before. `/limit` admits an invoice.
const tickets = [];
const COMMANDS = {
  '/record': ({ LEDGER }, parameters) => post(LEDGER, 'record_settled', payments(Number(parameters.get('payments')))),
  '/stats': ({ LEDGER }) => post(LEDGER, 'read_stats', { now_ms: Date.now() }),
  '/export': ({ LEDGER }) => post(LEDGER, 'export_payments', { from: '', to: '', after_ms: null, after_hash: '' }),
  '/limit': ({ INVOICE_LIMIT }) => call(INVOICE_LIMIT, { per_minute: 1_000_000_000, client: crypto.randomUUID(), is_known: false, recent: 0 }),
  '/use': async ({ METER }) => {
    const spent = tickets.splice(0, 1);
    const take = { until_ms: Date.now() + 100_000, delete_at_ms: Date.now() + 1_000_000 };
    const response = await call(METER, { bought: 1_000_000_000, spent, returned: null, take });
    tickets.push(JSON.parse(response.headers.get('Toll-Response')).taken.ticket);
    return response;
  },
};

export default {
  async fetch(request, env) {
    const { pathname, searchParams } = new URL(request.url);
    const calls = Number(searchParams.get('calls') ?? 1);
    const [first] = await Promise.all(Array.from({ length: calls }, () => COMMANDS[pathname](env, searchParams)));
    return first;
  },
};

const object = (objects) => objects.get(objects.idFromName('all'));
const call = (objects, message) => object(objects).fetch('https://object.invalid/', { headers: { 'Toll-Request': JSON.stringify(message) } });
const post = (objects, command, fields) => object(objects).fetch('https://object.invalid/', { method: 'POST', headers: { 'Toll-Request': command }, body: JSON.stringify(fields) });

function payments(count) {
  const now_ms = Date.now();
  const minted_unix = Math.floor(now_ms / 1000);
  const settled = new Date(now_ms).toISOString();
  const receipts = Array.from({ length: count }, () => {
    const hash = [...crypto.getRandomValues(new Uint8Array(32))].map((byte) => byte.toString(16).padStart(2, '0')).join('');
    return { hash, route: '/api/joke', sats: 5, payer: hash.slice(0, 32), minted_unix, settled };
  });
  return { now_ms, wallet: '1', has_callback: true, receipts };
}
