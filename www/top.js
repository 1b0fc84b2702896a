// The routes and clients with the most revenue in a period, from pages of payments.

/** The most payments that are read, with a request for each page. */
const MOST_PAYMENTS = 1000;
/** The number of rows of a table. */
const ROWS = 10;

/**
 * Adds up the payments since the first of `columns`, each of which begins at the time `at`. `readPage` returns a page of payments, the
 * newest first. Returns the top routes and clients as `[key, { sats, payments, last, columns }]`, and whether all payments were read.
 */
export async function addUp(columns, readPage, onProgress) {
  const [routes, clients] = [new Map(), new Map()];
  const since = columns[0].at;
  let count = 0;
  let query = {};
  let oldest;
  for (;;) {
    const page = await readPage(query);
    const inPeriod = page.filter(({ timestamp }) => timestamp >= since);
    for (const payment of inPeriod) {
      add(routes, payment.endpoint, payment, columns);
      add(clients, payment.payerId ?? '', payment, columns);
      oldest = payment.timestamp;
    }
    count += inPeriod.length;
    const isComplete = !page.length || inPeriod.length < page.length;
    if (isComplete || count >= MOST_PAYMENTS) return { routes: top(routes), clients: top(clients), count, isComplete, oldest };
    onProgress(count);
    const { timestamp, paymentHash } = page[page.length - 1];
    query = { before_ms: timestamp, before_hash: paymentHash };
  }
}

function add(sums, key, { amountSats, timestamp }, columns) {
  const sum = sums.get(key) ?? { sats: 0, payments: 0, last: timestamp, columns: columns.map(() => 0) };
  sums.set(key, sum);
  sum.sats += amountSats;
  sum.payments += 1;
  // A payment that arrives while the pages are read may be later than the last column.
  const later = columns.findIndex(({ at }) => at > timestamp);
  sum.columns[(later < 0 ? columns.length : later) - 1] += amountSats;
}

const top = (sums) => [...sums].sort(([, a], [, b]) => b.sats - a.sats).slice(0, ROWS);
