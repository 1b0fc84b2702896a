// The script of the pay page: draws the invoice as a QR code, polls the Worker until the invoice has been paid, and then loads the page
// that the person wanted. It runs in the browsers that www/README.md names. APIs that the payment does not need may be missing.

import { generate } from 'lean-qr';
import * as words from './words.json';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
/** The longest pause between two requests for the status of the payment. */
const MAX_PAUSE = 10 * SECOND;
/** The pause between two requests for the status while the person is likely paying. */
const SHORT_PAUSE = 2.5 * SECOND;
/** A payment that was sent just before the invoice expired may arrive up to this long after the expiry. */
const GRACE = 4 * SECOND;
/** The number of invoices that the browser remembers. A reload gets another invoice, and each of them may be paid. */
const MAX_INVOICES = 20;
/** The name under which they are stored: a list of macaroons, each with what it opens, when its credential ends, and its path. */
const INVOICES = 'edgetoll invoices';
/** The width of the light border around a QR code, in modules of the code. */
const QUIET_ZONE = 4;

const byId = (id) => document.getElementById(id);
/**
 * Runs an action that the payment does not depend on. Returns undefined if the browser does not have, or does not allow, an API that the
 * action uses.
 */
const attempt = (action) => { try { return action(); } catch { return undefined; } };
const page = byId('page');
const form = byId('by-hand');
// `defaultValue` is what the server sent. A browser may restore an older `value` after a reload.
const invoice = byId('invoice').defaultValue;
const macaroon = form.elements.macaroon.defaultValue;
const path = form.elements.to.defaultValue;

// `now()` returns the time of the server's clock, because the clock of this device may be wrong.
// `performance.timeOrigin` is not used: in Firefox it is as late as the computer has slept since the browser's process started.
const sinceResponse = attempt(() => performance.now() - performance.getEntriesByType('navigation')[0].responseStart);
let clockOffset = Date.now() - (sinceResponse || 0) - page.dataset.now * SECOND;
const now = () => Date.now() - clockOffset;
const invoiceExpires = page.dataset.invoiceExpires * SECOND;

const otherTabs = attempt(() => new BroadcastChannel('edgetoll'));
const lastEntry = recall('last entry');
const statuses = {
  pending: words.waiting,
  paid: words.paid,
  ended: words.expired,
  elsewhere: words.paid_in_other_tab,
  stuck: words.no_access,
};
let state;
let isOver = false;
let isChecking = false;
/** Until when another click on the button of the WebLN wallet has no effect. A wallet may never answer, and pays no invoice twice. */
let payingUntil = 0;
let nextPause = 2 * SECOND;
let shortPauseUntil = 0;
let earliestCheck = 0;
let timer;
/** What is stored of other invoices that this browser showed for this page or its realm, and that may be paid. */
let earlier = [];

byId('open').addEventListener('click', checkMoreOften);
byId('pay-here').addEventListener('click', payHere);
byId('copy').addEventListener('click', copy);
byId('again').addEventListener('click', tryAgain);
byId('anew').addEventListener('click', start);
// Some wallets dispatch the event on the window, others on the document. The capture phase of both begins at the window.
addEventListener('webln:ready', offerWebln, true);
document.addEventListener('visibilitychange', wake);
addEventListener('online', wake);
// `persisted` is true if the browser shows the page again from its back/forward cache.
addEventListener('pageshow', ({ persisted }) => persisted && wake());
otherTabs?.addEventListener('message', paidElsewhere);

attempt(drawQrCode);
attempt(formatForReader);
setInterval(countDown, SECOND);
keep('last entry', null);
// The person paid less than a minute ago, and yet the server sent the pay page again, without an error text (`reason`). Another reload
// could start a loop.
if (lastEntry && Date.now() - lastEntry.at < MINUTE && !byId('reason')) show('stuck');
else start();

// What the page shows

/**
 * Enters a state. A part of the page is visible in the states that its `data-in` lists. Without JavaScript the page stays as the server
 * sent it.
 */
function show(newState) {
  state = page.dataset.state = newState;
  const focused = document.activeElement;
  for (const part of document.querySelectorAll('[data-in]')) part.hidden = !part.dataset.in.split(' ').includes(state);
  offerWebln();
  say(statuses[state]);
  if (focused?.closest('[hidden]')) byId('status').focus();
}

/** Sets the status text, unless it is unchanged: a screen reader would read the same text again. */
function say(text) {
  if (byId('status').textContent !== text) byId('status').textContent = text;
}

/** Formats the price and the expiry of the credential for the reader's locale and time zone. */
function formatForReader() {
  const { lang } = document.documentElement;
  const locale = navigator.languages.find((language) => language.split('-')[0] === lang) ?? lang;
  byId('sats').textContent = Number(byId('sats').value).toLocaleString(locale);
  const ends = new Date(page.dataset.expires * SECOND + clockOffset);
  const isToday = ends.toDateString() === new Date().toDateString();
  const time = ends.toLocaleString(locale, { dateStyle: isToday ? undefined : 'medium', timeStyle: 'short' });
  byId('until').textContent = words.until.replace('{{time}}', () => time);
}

/**
 * Draws the QR code. Many wallets know the scheme in lowercase letters only. BOLT 11 ignores case, and an invoice in uppercase letters
 * makes the code smaller: it becomes a segment in alphanumeric mode.
 */
function drawQrCode() {
  const code = generate(`lightning:${invoice.toUpperCase()}`);
  const all = [...Array(code.size).keys()];
  const dark = all.flatMap((y) => all.map((x) => code.get(x, y) ? `M${x} ${y}h1v1h-1z` : ''));
  const [start, length] = [-QUIET_ZONE, code.size + 2 * QUIET_ZONE];
  const picture = svg('svg', { viewBox: `${start} ${start} ${length} ${length}`, role: 'img', 'aria-label': words.qr_code });
  picture.append(svg('path', { d: dark.join('') }));
  byId('code').append(picture);
}

function svg(name, attributes) {
  const element = document.createElementNS('http://www.w3.org/2000/svg', name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

/** Shows the time that is left to pay, or that the invoice has expired. Runs once a second. */
function countDown() {
  if (state !== 'pending') return;
  offerWebln();
  const left = Math.ceil((invoiceExpires - now()) / SECOND);
  if (left <= 0) return show('ended');
  if (left === 60) say(words.one_minute_left);
  const [hours, minutes, seconds] = [left / 3600, (left % 3600) / 60, left % 60].map(Math.floor);
  const parts = hours ? [hours, minutes, seconds] : [minutes, seconds];
  byId('left').textContent = parts.map((part, index) => String(part).padStart(index && 2, '0')).join(':');
}

// Checks whether the payment has arrived

/**
 * Starts to wait for the payment. Also waits for the payments of the invoices that this browser showed before: while the wallet is open,
 * the browser of a phone may discard the page, or the person closes it. The page then loads with a new invoice, although the previous
 * invoice is being paid.
 */
async function start() {
  show('pending');
  countDown();
  const [stored, scope] = [otherInvoices(macaroon), scopeOf(macaroon)];
  earlier = stored.filter((one) => one[1] === scope);
  attempt(() => localStorage.setItem(INVOICES, JSON.stringify([[macaroon, scope, page.dataset.expires * SECOND, path], ...stored].slice(0, MAX_INVOICES))));
  scheduleCheck();
  await checkAllEarlier();
}

/** Returns what this browser has stored about the invoices of other macaroons that have not ended. */
function otherInvoices(than) {
  // Scripts of the origin can write to the same storage.
  const stored = attempt(() => JSON.parse(localStorage.getItem(INVOICES)));
  const isValid = (one) => Array.isArray(one) && typeof one[0] === 'string' && one[0] !== than && one[2] > now();
  return Array.isArray(stored) ? stored.filter(isValid) : [];
}

function forget(paidMacaroon) {
  attempt(() => localStorage.setItem(INVOICES, JSON.stringify(otherInvoices(paidMacaroon))));
}

/** Returns what a macaroon opens: the realm in its caveats, or else this path without its query. */
function scopeOf(text) {
  const caveats = attempt(() => atob(text.replace(/-/g, '+').replace(/_/g, '/'))) ?? '';
  return caveats.match(/realm *= *([^\0]*)/)?.[1] ?? path.split('?')[0];
}

async function checkAllEarlier() {
  for (let count = earlier.length; count > 0 && !isOver; count -= 1) if (await checkEarlier() === 429) return;
}

/** Checks the payment of the next earlier invoice. An invoice that can no longer be paid is not checked again. Returns the status. */
async function checkEarlier() {
  const other = earlier.shift();
  if (!other) return undefined;
  const [otherMacaroon, , , otherPath] = other;
  const { status } = await requestStatus(otherMacaroon);
  if (isOver) return status;
  if (status === 200) {
    const isPageOpen = await isOpenLater();
    if (isPageOpen) finish(otherMacaroon);
    else if (isPageOpen === undefined) earlier.push(other);
    else forget(otherMacaroon);
  } else if (![401, 403, 404, 410].includes(status)) earlier.push(other);
  // An invoice of another page may still open that page.
  else if (otherPath === path) forget(otherMacaroon);
  return status;
}

function wake() {
  clearTimeout(timer);
  countDown();
  if (state === 'pending' || state === 'ended') check();
}

/** Checks the payment more often for half a minute, because the person is likely paying now. */
function checkMoreOften() {
  shortPauseUntil = now() + MINUTE / 2;
  scheduleCheck();
}

/**
 * Schedules the next check of the payment. The pause grows from check to check. A check is shortly after the expiry of the invoice: the
 * server then responds that the invoice can no longer be paid. A hidden page does not check.
 */
function scheduleCheck() {
  clearTimeout(timer);
  const time = now();
  // If that check gets no such response, it is repeated until ten minutes after the expiry of the invoice.
  if (isOver || document.hidden || time > invoiceExpires + 10 * MINUTE) return;
  let next = time + (time < shortPauseUntil ? SHORT_PAUSE : nextPause * (0.9 + Math.random() / 5));
  if (next > invoiceExpires && time < invoiceExpires + GRACE) next = invoiceExpires + GRACE;
  timer = setTimeout(check, Math.max(next, earliestCheck) - time);
}

async function check() {
  if (isOver || isChecking || document.hidden) return;
  if (now() < earliestCheck) return scheduleCheck();
  isChecking = true;
  const { status, wait, date } = await requestStatus(macaroon);
  if (status === 402) await checkEarlier();
  if (status === 410) await checkAllEarlier();
  isChecking = false;
  if (isOver) return;
  if (status === 200) return finish(macaroon);
  if (status === 410) return end('ended', words.unpayable);
  // The invoice can still be paid, so the clock of this device was set forward.
  if (status === 402 && date && now() > invoiceExpires + GRACE) {
    clockOffset = Date.now() - date;
    if (state === 'ended') show('pending');
  }
  const troubles = [words.busy, words.retrying];
  if (status !== 402) say(status === 429 ? words.busy : words.retrying);
  else if (troubles.includes(byId('status').textContent)) say(words.waiting);
  nextPause = Math.min(nextPause * 1.3, MAX_PAUSE);
  earliestCheck = now() + wait;
  scheduleCheck();
}

/**
 * Requests the status of a payment from the Worker. Returns the status code, 0 if there is no response; `Retry-After` in milliseconds, 0
 * if the response has no such header; and the time of the response.
 */
async function requestStatus(ofMacaroon) {
  try {
    return await withTimeout(async (signal) => {
      const response = await fetch(form.action, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({ macaroon: ofMacaroon, to: path }),
        credentials: 'same-origin',
        signal,
      });
      // A 200 may come from another server, such as the login page of a hotel's network.
      if (response.ok && (await response.json()).status !== 'paid') throw new Error('not a response of edgetoll');
      const { status, headers } = response;
      return { status, wait: Number(headers.get('Retry-After')) * SECOND || 0, date: Date.parse(headers.get('Date')) };
    });
  } catch {
    return { status: 0, wait: 0 };
  }
}

/** Returns what a function returns, and aborts its request after 20 seconds. */
async function withTimeout(run) {
  const aborter = new AbortController();
  const timeout = setTimeout(() => aborter.abort(), 20 * SECOND);
  try {
    return await run(aborter.signal);
  } finally {
    clearTimeout(timeout);
  }
}

/** A tab of this host was paid. The payment may open this page too: it may be for the same page, or of the same realm. */
async function paidElsewhere() {
  for (let tries = 0; tries < 10; tries += 1) {
    const isPageOpen = await isOpenLater();
    if (isPageOpen) end('elsewhere');
    if (isPageOpen !== undefined) return;
  }
}

/**
 * Whether a payment opens the page after another tab that waited for it has loaded its page, and may have taken the last use; `undefined`
 * if this is not known.
 */
async function isOpenLater() {
  await new Promise((resolve) => setTimeout(resolve, 3 * SECOND));
  const isPageOpen = !isOver && (await isOpen());
  return isOver ? false : isPageOpen;
}

/**
 * Whether the browser has a cookie that opens the page; `undefined` if no response says so. A HEAD request takes no use. The price may
 * depend on `Accept`.
 */
async function isOpen() {
  const headers = { Accept: 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8' };
  try {
    const response = await withTimeout((signal) => fetch(`/.${path}`, { method: 'HEAD', headers, credentials: 'same-origin', redirect: 'manual', signal }));
    const { status, type } = response;
    // The headers of a redirect cannot be read. With the statuses 502 and 504, the Worker says that the origin has failed.
    if (response.ok || type === 'opaqueredirect' || response.headers.has('X-Toll-Expires') || [502, 504].includes(status)) return true;
    return status === 402 ? false : undefined;
  } catch {
    return undefined;
  }
}

/** Enters a final state, in which the payment is no longer checked. `text` replaces the status text of the state. */
function end(newState, text) {
  isOver = true;
  clearTimeout(timer);
  show(newState);
  if (text) say(text);
}

/**
 * The payment has arrived and the cookie is set. Loads the page, unless this tab cannot store anything: then a reload loop could not be
 * detected, and the person continues with the link.
 */
function finish(paidMacaroon) {
  end('paid');
  document.title = `${words.paid_stamp} · ${document.title}`;
  scrollTo(0, 0);
  otherTabs?.postMessage(path);
  forget(paidMacaroon);
  if (keep('last entry', { macaroon: paidMacaroon, at: Date.now() })) setTimeout(enter, 1.3 * SECOND);
}

async function tryAgain() {
  await requestStatus(lastEntry.macaroon);
  keep('last entry', { ...lastEntry, at: Date.now() });
  enter();
}

/** Loads the page that was paid for. The prefix `/.` does not change the path, and keeps `//host` from being read as another host. */
function enter() {
  const { href, pathname, search } = new URL(`/.${path}`, location.origin);
  if (pathname + search === location.pathname + location.search) location.reload();
  else location.replace(href);
}

// Ways to pay besides the QR code

async function copy() {
  checkMoreOften();
  try {
    await navigator.clipboard.writeText(invoice);
    byId('copy').textContent = words.copied;
    setTimeout(() => { byId('copy').textContent = words.copy; }, 2 * SECOND);
  } catch {
    byId('invoice').select();
    say(words.copy_failed);
  }
}

/** Returns the WebLN wallet. An extension may forbid the access. */
function webln() {
  return attempt(() => window.webln);
}

function offerWebln() {
  byId('pay-here').hidden = !webln() || state !== 'pending';
}

/**
 * Pays with WebLN. The preimage is not used: the Worker looks up the payment at its own wallet. While the wallet asks the person, the
 * payment may arrive from another device or in another tab, or the invoice may expire: then it is not paid here.
 */
async function payHere() {
  if (now() < payingUntil) return;
  payingUntil = now() + MINUTE / 2;
  say(words.confirm_in_wallet);
  try {
    await webln().enable?.();
    if (state !== 'pending') return;
    await webln().sendPayment(invoice);
    if (isOver) return;
    say(words.wallet_paid);
    checkMoreOften();
    check();
  } catch {
    if (!isOver) say(words.wallet_failed);
  } finally {
    payingUntil = 0;
  }
}

// Values in the session storage, separate for each path. A browser may forbid the storage.

function recall(name) {
  return attempt(() => JSON.parse(sessionStorage.getItem(`edgetoll ${name} ${path}`)));
}

/** Returns true if the value is stored. */
function keep(name, value) {
  return attempt(() => {
    sessionStorage.setItem(`edgetoll ${name} ${path}`, JSON.stringify(value));
    return true;
  });
}
