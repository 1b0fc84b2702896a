// The owner's dashboard: loads the statistics and shows them. The name of a route can contain HTML, so names are inserted as text.

import codes from './codes.json';
import { addUp } from './top.js';

const SECOND = 1000;
const HOUR = 3600 * SECOND;
const DAY = 24 * HOUR;

const byId = (id) => document.getElementById(id);

/** The number of routes that are shown at first. */
const FEW_ROUTES = 8;
const RUNBOOK = 'https://github.com/edgetoll/edgetoll/blob/main/docs/operations.md#what-to-do-about-a-code';
/** The ledger counts no more clients of an observed route. */
const MOST_CLIENTS = 1000;
/** The number of payments on a page. */
const PAGE = 20;

let stats;
let hasExample = false;
let showsAllRoutes = false;
/** The payments in the table. */
let payments = [];
/** The last payment of each earlier page. If the list is empty, the table shows the first page, which is refreshed with the statistics. */
let cursors = [];
let lastSearch = 0;
let failures = 0;
let isLoading = false;
let timer;

byId('host').textContent = location.host;
say('Loading the statistics …');
byId('redeliver').addEventListener('click', redeliver);
byId('route').addEventListener('input', () => showRoutes());
byId('all-routes').addEventListener('click', showAllRoutes);
byId('search').addEventListener('submit', search);
// A browser may offer a button that clears the text of a search.
byId('hash').addEventListener('input', (event) => event.target.value || search(event));
byId('top-form').addEventListener('submit', showTop);
byId('older').addEventListener('click', () => turnPage([...cursors, payments[payments.length - 1]]));
byId('newer').addEventListener('click', () => turnPage(cursors.slice(0, -1)));
document.addEventListener('visibilitychange', refresh);
// `pageshow` fires when the page is loaded, and when the browser shows it again from its back/forward cache.
addEventListener('pageshow', refresh);

/** Loads and shows the statistics, then schedules the next refresh. A hidden page does not refresh. */
async function refresh() {
  clearTimeout(timer);
  if (document.hidden || isLoading) return;
  isLoading = true;
  try {
    await showProblems();
    show(await (await request('stats')).json());
    failures = 0;
    say('');
  } catch (error) {
    failures += 1;
    say(`The statistics cannot be loaded: ${error.message}. Trying again in ${delay() / SECOND} seconds.`);
  }
  isLoading = false;
  timer = setTimeout(refresh, delay());
}

/** Returns the time until the next refresh: five seconds, doubled for each failure in a row, at most a minute. */
const delay = () => Math.min(5 * 2 ** failures, 60) * SECOND;

async function redeliver() {
  try {
    await request('redeliver', { method: 'POST' });
    await refresh();
    say('The callbacks are being sent again.');
  } catch (error) {
    say(`The callbacks were not sent again: ${error.message}. Try again in a moment.`);
  }
}

/** Requests an admin endpoint. If the status is not 2xx, throws an error whose message the dashboard shows. */
async function request(path, options) {
  const aborter = new AbortController();
  setTimeout(() => aborter.abort(), 20 * SECOND);
  const response = await fetch(path, { ...options, signal: aborter.signal }).catch(() => {
    throw new Error('the Worker does not answer');
  });
  // The session has ended: a reload shows the login page.
  if (response.status === 401) location.reload();
  if (!response.ok) {
    const { code = 'no reason given' } = await response.json().catch(() => ({}));
    throw new Error(`the Worker answered ${response.status} (${code})`);
  }
  return response;
}

function say(text) {
  byId('status').textContent = text;
}

/** Shows which routes are observed, and why nothing can be sold, or else the mistakes in the settings. */
async function showProblems() {
  const { configured, problems, observed } = await (await request('status')).json();
  byId('observing').hidden = observed.length === 0;
  byId('observing').querySelector('ul').replaceChildren(...observed.map((route) => html('li', {}, bdi(route))));
  // The first panel says so already.
  const others = problems.filter((problem) => !problem.startsWith('TOLL observes all routes'));
  byId('problems').hidden = others.length === 0;
  byId('problems-title').textContent = configured ? 'Some settings are wrong' : 'Nothing can be sold now';
  byId('problems').querySelector('ul').replaceChildren(...others.map((problem) => {
    // A command is between backticks.
    const parts = problem.split('`').map((part, at) => {
      const element = document.createElement(at % 2 ? 'code' : 'span');
      element.textContent = part;
      return element;
    });
    const item = document.createElement('li');
    item.append(...parts);
    return item;
  }));
}

function show(newStats) {
  stats = newStats;
  byId('numbers').hidden = false;
  byId('updated').textContent = `Updated ${clock.format(Date.now())}`;
  document.title = `${some(stats.totalRevenue, 'sat')} · edgetoll`;
  showTotals();
  showNote('unsettled', stats.unsettled, 'Not included in the revenue: # that LNbits has not confirmed yet.', 'payment');
  showInvoiceLimit(stats.noInvoiceLeft);
  showDeadLetters(stats.callbacks.dead);
  showRoutes();
  showObserved(stats.observed);
  showRefusals(stats.refusals);
  showLimits(stats);
  showWallets(stats);
  showCallbacks(stats.callbacks);
  if (!cursors.length && !byId('hash').value) showPayments(stats.recentPayments);
  showEmptiness(stats.totalPayments === 0);
  showRevenue();
}

function showTotals() {
  for (const element of document.querySelectorAll('dd[data-total]')) {
    element.textContent = number(stats[element.dataset.total]);
    element.style.setProperty('--characters', element.textContent.length);
  }
  for (const element of document.querySelectorAll('i[data-total]')) element.style.flexGrow = stats[element.dataset.total];
}

function showNote(id, count, sentence, thing) {
  byId(id).hidden = !count;
  byId(id).textContent = sentence.replace('#', some(count, thing));
}

/** Shows for a day that the limit `invoices_per_minute` was reached. */
function showInvoiceLimit({ requests, last }) {
  const note = byId('no-invoice-left');
  note.hidden = !requests || stats.now - last > DAY;
  if (note.hidden) return;
  note.replaceChildren(`${some(requests, 'request')} got no invoice so far, because invoices_per_minute was reached. This last happened on `,
    time(last), '. If LNbits can create more invoices per minute, raise invoices_per_minute.');
}

function showDeadLetters(dead) {
  const section = byId('dead');
  if (!dead.length && section.contains(document.activeElement)) byId('main').focus();
  section.hidden = !dead.length;
  fill(byId('dead-letters'), dead.map(({ endpoint, amountSats, tries, settledAt, outcome, paymentHash }) =>
    [bdi(endpoint), number(amountSats), number(tries), time(settledAt * SECOND), bdi(outcome), hex(paymentHash)]));
}

/** Shows the routes that match the filter, sorted by revenue. */
function showRoutes() {
  const endpoints = Object.entries(stats.endpoints);
  byId('no-routes').hidden = endpoints.length > 0;
  byId('route-table').hidden = !endpoints.length;
  byId('find-route').hidden = endpoints.length <= FEW_ROUTES;
  const part = byId('route').value.trim().toLowerCase();
  const matching = endpoints.filter(([name]) => name.toLowerCase().includes(part));
  matching.sort(([, a], [, b]) => b.revenue - a.revenue || b.requests - a.requests);
  byId('all-routes').hidden = matching.length <= FEW_ROUTES;
  byId('all-routes').textContent = showsAllRoutes ? 'Show fewer routes' : `Show all ${matching.length} routes`;
  const shown = showsAllRoutes ? matching : matching.slice(0, FEW_ROUTES);
  fill(byId('route-table'), shown.map(([name, { revenue, payments: count, challenged, requests, paid, free, refused }]) => {
    const conversion = challenged ? percent.format(count / challenged) : '–';
    return [bdi(name), number(revenue), number(count), conversion, ...[requests, paid, free, challenged, refused].map(number)];
  }));
}

function showAllRoutes() {
  showsAllRoutes = !showsAllRoutes;
  showRoutes();
}

/** Shows what observed routes would have charged: for each route the sats, the clients, and the requests by status. */
function showObserved(observed) {
  const routes = Object.entries(observed).sort(([, a], [, b]) => b.sats - a.sats);
  byId('observed').hidden = !routes.length && byId('observing').hidden;
  byId('observed-table').hidden = !routes.length;
  const asked = routes.reduce((sum, [, counts]) => sum + (counts[402] ?? 0), 0);
  const sats = routes.reduce((sum, [, counts]) => sum + counts.sats, 0);
  const sum = `${some(asked, 'request')} would be asked to pay ${some(sats, 'sat')}.`;
  byId('observed-sum').textContent = routes.length ? sum : 'There was no request to these routes yet. This page refreshes every five seconds.';
  fill(byId('observed-table'), routes.map(([name, { sats, clients = 0, 402: asked = 0, 200: served = 0, ...others }]) => {
    const rest = Object.entries(others).map(([status, count]) => `${number(count)} × ${status}`).join(', ') || '–';
    const payers = clients < MOST_CLIENTS ? number(clients) : `${number(MOST_CLIENTS)} or more`;
    return [name ? bdi(name) : 'No single route', number(sats), payers, number(asked), number(served), rest];
  }));
}

/** Shows the number of refusals by code. */
function showRefusals(refusals) {
  byId('no-refusals').hidden = refusals.length > 0;
  byId('refusal-table').hidden = !refusals.length;
  fill(byId('refusal-table'), refusals.map(({ code, requests, last }) => {
    const link = html('a', { href: RUNBOOK, rel: 'noreferrer' }, html('code', {}, code));
    return [link, codes[code] ?? '', number(requests), time(last)];
  }));
}

/** Shows the limits of the price list: their values, how much is used, and how often they were reached. */
function showLimits({ limits: { invoicesUsed, invoicesPerMinute, challengesPerMinute }, refusals }) {
  const used = invoicesUsed === null ? 'unknown' : number(invoicesUsed);
  fill(byId('limit-table'), [
    ['invoices_per_minute', 'for all clients', invoicesPerMinute, used, 'too_many_invoices',
      'If the clients are honest and your wallet can create more, raise it. If not, block them in Cloudflare.'],
    ['challenges_per_minute', 'for each client', challengesPerMinute, '–', 'too_many_challenges',
      'If the clients are honest, raise it, also in [[ratelimits]], or sell several uses with one payment. If not, block them in Cloudflare.'],
  ].map(([name, scope, value, usedNow, code, advice]) => {
    const { requests, last } = refusalsOf(refusals, code);
    const reached = requests > 0;
    return [limitName(name, scope), number(value), usedNow, number(requests), reached ? time(last) : 'never', reached ? advice : ''];
  }));
}

const limitName = (name, scope) => html('span', {}, html('code', {}, name), ` ${scope}`);
const refusalsOf = (refusals, code) => refusals.find((entry) => entry.code === code) ?? { requests: 0 };

/** Shows for each wallet whether its circuit breakers are open, and how often all wallets have failed. */
function showWallets({ limits: { openMs }, refusals }) {
  const wallets = Object.entries(openMs);
  byId('no-wallets').hidden = wallets.length > 0;
  byId('wallet-table').hidden = !wallets.length;
  fill(byId('wallet-table'), wallets.map(([wallet, [invoices, lookUps]]) => [`Wallet ${wallet}`, describeBreaker(invoices), describeBreaker(lookUps)]));
  const failures = [['invoice_unavailable', 'got no invoice'], ['settlement_unavailable', 'could not be checked for payment']]
    .map(([code, what]) => [refusalsOf(refusals, code), what])
    .filter(([{ requests }]) => requests)
    .flatMap(([{ requests, last }, what]) => [`${some(requests, 'request')} ${what} because the wallets failed. This last happened on `, time(last), '. ']);
  byId('wallet-failures').replaceChildren(...failures.length ? failures : ['No request has failed because of a wallet.']);
}

/** `openMs`: for how long a circuit breaker stays open; 0 if it is closed. */
const describeBreaker = (openMs) => openMs ? `It failed and gets no requests for ${Math.ceil(openMs / SECOND)} s` : 'It gets requests';

function showCallbacks({ waiting, givenUp }) {
  byId('callbacks-waiting').textContent = cappedCount(waiting);
  byId('callbacks-given-up').textContent = cappedCount(givenUp);
  const note = waiting + givenUp
    ? 'Callbacks are sent again until your server answers with a 2xx status, for three days. Callbacks that were given up are listed at the top, with a button that sends them again.'
    : 'Your server has accepted all callbacks. To be notified of payments, set ON_PAYMENT_URL and ON_PAYMENT_SECRET.';
  byId('callbacks-note').textContent = note;
}

/** The ledger counts at most 1,000 callbacks. */
const cappedCount = (count) => count < 1000 ? number(count) : `${number(count)} or more`;

// Top routes and clients: sums of the latest payments, which are read page by page

async function showTop(event) {
  event.preventDefault();
  const button = byId('top-form').querySelector('button');
  const note = byId('top-note');
  const { columns: columnsOf, name, title } = periods[byId('top-period').value];
  button.disabled = true;
  try {
    const columns = columnsOf();
    const { routes, clients, count, isComplete, oldest } = await addUp(columns, readPage, (read) => {
      note.textContent = `Read ${some(read, 'payment')} …`;
    });
    const part = isComplete ? `All payments of ${title}: ${number(count)}.` : `The latest ${some(count, 'payment')}, since ${dateAndTime.format(oldest)}.`;
    note.textContent = count ? part : `There was no payment in ${title}. Choose a longer period, or share a priced path with a client.`;
    byId('top-tables').hidden = !count;
    const row = (cell) => ([key, sum]) => [cell(key), number(sum.sats), number(sum.payments), time(sum.last), spark(sum.columns, columns, name)];
    fill(byId('top-routes'), routes.map(row(bdi)));
    fill(byId('top-clients'), clients.map(row((payer) => payer ? hex(payer) : 'unknown')));
  } catch (error) {
    note.textContent = `The payments cannot be loaded: ${error.message}.`;
  }
  button.disabled = false;
}

const readPage = async (query) => (await request(`payments?${new URLSearchParams(query)}`)).json();

/** Returns a small chart of sats over time. A text names the highest column. */
function spark(sats, columns, name) {
  const most = Math.max(...sats);
  const text = `most: ${some(most, 'sat')} at ${name(columns[sats.indexOf(most)].at)}`;
  const bars = sats.map((value, index) => svg('rect', { x: index, y: 10 - (value / most) * 10, width: 0.7, height: (value / most) * 10 }));
  return svg('svg', { class: 'spark', viewBox: `0 0 ${sats.length} 10`, preserveAspectRatio: 'none', role: 'img', 'aria-label': text },
    svg('title', {}, text), ...bars);
}

// Payments: pages from the newest to the oldest, and a search by payment hash

function search(event) {
  event.preventDefault();
  turnPage([]);
}

/** Loads and shows a page of payments, or the payments that are searched for. */
async function turnPage(newCursors) {
  cursors = newCursors;
  lastSearch += 1;
  const current = lastSearch;
  const hash = byId('hash').value.trim().toLowerCase();
  const after = cursors[cursors.length - 1];
  if (!hash && !after) return showPayments(stats.recentPayments);
  const query = new URLSearchParams(hash ? { hash } : { before_ms: after.timestamp, before_hash: after.paymentHash });
  try {
    const page = await (await request(`payments?${query}`)).json();
    if (current === lastSearch) showPayments(page);
  } catch (error) {
    say(`The payments cannot be loaded: ${error.message}.`);
  }
}

function showPayments(page) {
  const hash = byId('hash').value.trim();
  const table = byId('payment-table');
  payments = page;
  byId('newer').disabled = !cursors.length;
  byId('older').disabled = Boolean(hash) || page.length < PAGE;
  byId('pages').hidden = byId('newer').disabled && byId('older').disabled;
  const first = cursors.length * PAGE + 1;
  const range = page.length ? `Payments ${first} to ${first + page.length - 1}, newest first.` : 'There are no older payments.';
  const found = page.length < PAGE ? some(page.length, 'payment') : `The first ${PAGE} payments`;
  table.caption.textContent = hash ? `${found} with a payment hash that begins with these digits.` : range;
  // Rows are highlighted as new only on the first page, which is refreshed.
  if (hash || cursors.length) shownRows.delete(table);
  fill(table, page.map(({ endpoint, amountSats, timestamp, payerId, paymentHash }) => {
    const settled = timestamp ? time(timestamp) : 'not confirmed by LNbits';
    return [bdi(endpoint), number(amountSats), settled, payerId ? hex(payerId) : 'unknown', hex(paymentHash)];
  }));
  if (hash || cursors.length) shownRows.delete(table);
}

function showEmptiness(isEmpty) {
  byId('empty').hidden = !isEmpty || !byId('observed').hidden;
  for (const id of ['revenue', 'top', 'payments', 'export']) byId(id).hidden = isEmpty;
  if (!byId('empty').hidden && !hasExample) showExample();
}

/** Shows a link to a priced path, if the public price list has one that is a whole path. */
async function showExample() {
  hasExample = true;
  const { routes = [] } = await fetch('/.well-known/l402').then((response) => response.json()).catch(() => ({}));
  const route = routes.find(({ path, methods }) => !/[*:{]/.test(path) && (!methods.length || methods.includes('GET')));
  byId('try').hidden = !route;
  if (route) Object.assign(byId('try').querySelector('a'), { href: route.path, textContent: route.path });
}

// Rows of tables

const shownRows = new WeakMap();

/** Shows rows in a table. A table whose text does not change is not touched, so that a selection in it stays. */
function fill(table, rows) {
  const before = shownRows.get(table);
  const texts = rows.map((cells) => cells.map((cell) => cell.textContent ?? cell).join('\n'));
  if (before?.join('\n\n') === texts.join('\n\n')) return;
  shownRows.set(table, texts);
  const columns = [...table.tHead.rows[0].cells];
  const isNew = (index) => before && !before.includes(texts[index]);
  table.tBodies[0].replaceChildren(...rows.map((cells, index) => tableRow(cells, columns, isNew(index))));
}

/** Returns a table row with explicit ARIA roles: on narrow screens, `display: block` removes the implicit roles of table elements. */
function tableRow([header, ...others], columns, isNew) {
  return html('tr', { role: 'row', className: isNew ? 'new' : '' },
    html('th', { role: 'rowheader', scope: 'row' }, header),
    ...others.map((content, index) => {
      const { className, textContent } = columns[index + 1];
      const cell = html('td', { role: 'cell', className }, content);
      cell.dataset.label = textContent;
      return cell;
    }));
}

const bdi = (text) => html('bdi', {}, text);
const hex = (digits) => html('code', { className: 'hex', title: digits }, digits);
const time = (at) => html('time', { dateTime: new Date(at).toISOString() }, dateAndTime.format(at));

function html(name, properties, ...children) {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...children);
  return element;
}

// Formats of numbers and times

const numbers = new Intl.NumberFormat('en');
const compact = new Intl.NumberFormat('en', { notation: 'compact' });
const percent = new Intl.NumberFormat('en', { style: 'percent', maximumSignificantDigits: 2 });
const number = (value) => numbers.format(value);
const some = (count, thing) => `${number(count)} ${thing}${count === 1 ? '' : 's'}`;

const timeFormat = (options) => new Intl.DateTimeFormat('en-GB', options);
const clock = timeFormat({ timeStyle: 'medium' });
const dateAndTime = timeFormat({ day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit' });
const hour = timeFormat({ hour: '2-digit', minute: '2-digit' });
const dayAndHour = timeFormat({ weekday: 'short', hour: '2-digit', minute: '2-digit' });
const date = timeFormat({ day: 'numeric', month: 'short', timeZone: 'UTC' });
const dayAndDate = timeFormat({ weekday: 'short', day: 'numeric', month: 'short', timeZone: 'UTC' });

// The chart of the revenue over time

const periods = {
  hours: {
    title: 'the last 24 hours',
    axis: `Hours in local time (${hour.resolvedOptions().timeZone})`,
    columns: () => withoutGaps(24, HOUR, stats.revenueByHour.map((entry) => [entry.hour, entry])),
    name: (at) => `${dayAndHour.format(at)}–${hour.format(at + HOUR)}`,
    label: hour,
  },
  days: {
    title: 'the last 30 days',
    axis: 'Days in UTC',
    columns: () => withoutGaps(30, DAY, stats.revenueByDay.map((entry) => [Date.parse(entry.day), entry])),
    name: (at) => dayAndDate.format(at),
    label: date,
  },
};
const margin = { top: 26, right: 18, bottom: 24, left: 46 };
const bars = byId('bars');
const cursor = byId('cursor');
let period;
let columns;
let chosen = null;

new ResizeObserver(() => stats && showRevenue()).observe(bars);
byId('range').addEventListener('change', showRevenue);
for (const event of ['focus', 'input']) cursor.addEventListener(event, () => choose(cursor.valueAsNumber));
cursor.addEventListener('blur', () => choose(null));
bars.addEventListener('pointerleave', ({ pointerType }) => pointerType === 'mouse' && choose(null));
// Without this call, a browser sends all events of a touch to the column where the touch began. With it, a finger that
// moves enters other columns, as a mouse does.
bars.addEventListener('pointerdown', ({ target, pointerId }) => target.releasePointerCapture(pointerId));

function showRevenue() {
  const before = period;
  period = periods[document.querySelector('[name=range]:checked').value];
  columns = period.columns();
  if (period !== before) {
    cursor.max = cursor.value = columns.length - 1;
    chosen = null;
  }
  drawBars(bars.getBoundingClientRect());
  choose(chosen);
  byId('axis').textContent = period.axis;
  byId('revenue-table').caption.textContent = `Revenue of ${period.title}`;
  fill(byId('revenue-table'), columns.map(({ at, sats, payments }) => [period.name(at), number(sats), number(payments)]));
}

/** Returns a column for each of the last `count` hours or days, with zeros where nothing was paid. */
function withoutGaps(count, length, entries) {
  const known = new Map(entries);
  const last = Math.floor(stats.now / length) * length;
  const times = Array.from({ length: count }, (_, index) => last - (count - 1 - index) * length);
  return times.map((at) => ({ sats: 0, payments: 0, ...known.get(at), at }));
}

function drawBars({ width, height }) {
  const bottom = height - margin.bottom;
  const right = width - margin.right;
  const step = (right - margin.left) / columns.length;
  if (step <= 0) return;
  const levels = roundLevels(Math.max(...columns.map(({ sats }) => sats)));
  const y = (sats) => bottom - (sats / (levels[levels.length - 1] || 1)) * (bottom - margin.top);
  const labelEvery = [1, 2, 3, 4, 6, 8, 12].find((every) => every * step >= 52);
  bars.replaceChildren(
    label('level', margin.left - 8, 10, 'sats'),
    ...levels.map((sats) => label('level', margin.left - 8, y(sats) + 4, compact.format(sats))),
    ...levels.map((sats) => svg('line', { x1: margin.left, x2: right, y1: y(sats), y2: y(sats) })),
    ...columns.map(({ at, sats }, index) => {
      const x = margin.left + index * step;
      const column = svg('g', { class: 'column' },
        svg('rect', { class: 'back', x, y: margin.top, width: step, height: bottom - margin.top }),
        svg('rect', { class: 'bar', x: x + step * 0.15, y: y(sats), width: step * 0.7, height: bottom - y(sats) }));
      const fromLast = columns.length - 1 - index;
      if (fromLast % labelEvery === 0) column.append(label('at', x + step / 2, height - 6, period.label.format(at)));
      column.addEventListener('pointerenter', () => choose(index));
      return column;
    }),
  );
}

/** Returns the levels of the vertical axis: round numbers in equal steps from 0 to the highest value or just above it. */
function roundLevels(highest) {
  const least = Math.max(highest / 4, 1);
  const power = 10 ** Math.floor(Math.log10(least));
  const step = [1, 2, 5, 10].find((factor) => factor * power >= least) * power;
  return Array.from({ length: Math.ceil(highest / step) + 1 }, (_, index) => index * step);
}

/** Selects a column and shows its revenue. With `null`, selects no column and shows the sum of all columns. */
function choose(index) {
  chosen = index;
  bars.querySelectorAll('.column').forEach((column, at) => column.classList.toggle('chosen', at === index));
  byId('readout').textContent = index === null ? describeAll() : describe(index);
  cursor.setAttribute('aria-valuetext', describe(cursor.valueAsNumber));
}

function describe(index) {
  const { at, sats, payments } = columns[index];
  const soFar = index === columns.length - 1 ? ', so far' : '';
  return `${period.name(at)}: ${some(sats, 'sat')} in ${some(payments, 'payment')}${soFar}`;
}

function describeAll() {
  const sum = (key) => columns.reduce((total, column) => total + column[key], 0);
  return `${some(sum('sats'), 'sat')} in ${some(sum('payments'), 'payment')} in ${period.title}`;
}

const label = (className, x, y, text) => svg('text', { class: className, x, y }, text);

function svg(name, attributes, ...children) {
  const element = document.createElementNS('http://www.w3.org/2000/svg', name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}
