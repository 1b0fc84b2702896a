// The page where a person pays: draws the invoice as a QR code, asks whether it has been paid, and then loads what was paid for.

import encodeQR from 'qr';
import * as words from './words.json';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const LONGEST_PAUSE = 10 * SECOND;
const EAGER_PAUSE = 2.5 * SECOND;
/** A payment that was under way when the invoice ended has arrived so long after. */
const GRACE = 4 * SECOND;

const byId = (id) => document.getElementById(id);
const page = byId('page');
const form = byId('by-hand');
// What the server sent: a browser may fill in what stood here before.
const invoice = byId('invoice').defaultValue;
const macaroon = form.elements.macaroon.defaultValue;
const path = form.elements.to.defaultValue;

// The server's clock counts: this device's may be wrong.
const { responseStart = 0 } = performance.getEntriesByType('navigation')[0] ?? {};
const clockIsAhead = performance.timeOrigin + responseStart - page.dataset.now * SECOND;
const now = () => Date.now() - clockIsAhead;
const invoiceEnds = page.dataset.invoiceExpires * SECOND;

const otherTabs = new BroadcastChannel('edgetoll');
const letInBefore = recall('let in');
const statuses = {
  pending: words.waiting,
  paid: words.paid,
  ended: words.ended,
  elsewhere: words.elsewhere,
  stuck: words.stuck,
};
let state;
let isOver = false;
let isAsking = false;
let isPaying = false;
let pause = 2 * SECOND;
let eagerUntil = 0;
let notBefore = 0;
let timer;

byId('open').addEventListener('click', hurry);
byId('pay-here').addEventListener('click', payHere);
byId('copy').addEventListener('click', copy);
byId('again').addEventListener('click', tryAgain);
byId('anew').addEventListener('click', begin);
document.addEventListener('webln:ready', offerWebln);
document.addEventListener('visibilitychange', wake);
addEventListener('online', wake);
// The browser brings the page back from its history.
addEventListener('pageshow', ({ persisted }) => persisted && wake());
otherTabs.addEventListener('message', ({ data }) => data === path && !isOver && end('elsewhere'));

describe();
draw();
setInterval(count, SECOND);
keep('let in', null);
// Paid a moment ago, and asked to pay again for no reason: to load the page once more would go round in a circle.
if (letInBefore && Date.now() - letInBefore.at < MINUTE && !byId('reason')) show('stuck');
else begin();

// What is shown

/** A part is shown in the states that its `data-in` names. Without this script the page stays as it was sent. */
function show(newState) {
  state = page.dataset.state = newState;
  const focused = document.activeElement;
  for (const part of document.querySelectorAll('[data-in]')) part.hidden = !part.dataset.in.split(' ').includes(state);
  offerWebln();
  say(statuses[state]);
  if (focused.closest('[hidden]')) byId('status').focus();
}

/** The same words again would be read out again. */
function say(text) {
  if (byId('status').textContent !== text) byId('status').textContent = text;
}

/** Numbers and times as they are written where the reader is. */
function describe() {
  const { lang } = document.documentElement;
  const locale = navigator.languages.find((language) => language.split('-')[0] === lang) ?? lang;
  byId('sats').textContent = Number(byId('sats').value).toLocaleString(locale);
  const ends = new Date(page.dataset.expires * SECOND + clockIsAhead);
  const isToday = ends.toDateString() === new Date().toDateString();
  const time = ends.toLocaleString(locale, { dateStyle: isToday ? undefined : 'medium', timeStyle: 'short' });
  byId('until').textContent = words.until.replace('{{time}}', () => time);
}

/** In capitals the code is smaller, and means the same. */
function draw() {
  const rows = encodeQR(`lightning:${invoice}`.toUpperCase(), 'raw', { ecc: 'low', border: 4 });
  const dark = rows.flatMap((row, y) => row.map((isDark, x) => isDark ? `M${x} ${y}h1v1h-1z` : ''));
  const picture = svg('svg', { viewBox: `0 0 ${rows.length} ${rows.length}`, role: 'img', 'aria-label': words.code });
  picture.append(svg('path', { d: dark.join('') }));
  byId('code').append(picture);
}

function svg(name, attributes) {
  const element = document.createElementNS('http://www.w3.org/2000/svg', name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

/** Shows the time that is left, each second. */
function count() {
  if (state !== 'pending') return;
  const left = Math.ceil((invoiceEnds - now()) / SECOND);
  if (left <= 0) return show('ended');
  if (left === 60) say(words.minute_left);
  const [hours, minutes, seconds] = [left / 3600, (left % 3600) / 60, left % 60].map(Math.floor);
  const parts = hours ? [hours, minutes, seconds] : [minutes, seconds];
  byId('left').textContent = parts.map((part, index) => String(part).padStart(index && 2, '0')).join(':');
}

// Has it been paid?

/** What this tab asked to be paid before may have been paid since: on a phone the wallet can push the page out of the memory. */
async function begin() {
  show('pending');
  count();
  const earlier = (recall('asked') ?? []).filter((other) => other !== macaroon);
  keep('asked', [macaroon, ...earlier].slice(0, 3));
  plan();
  for (const other of earlier) {
    const { status } = await settle(other);
    if (isOver) return;
    if (status === 200) letIn(other);
  }
}

function wake() {
  clearTimeout(timer);
  count();
  if (state === 'pending' || state === 'ended') ask();
}

/** Somebody is paying: asks more often for a while. */
function hurry() {
  eagerUntil = now() + MINUTE / 2;
  plan();
}

/** The next question: soon, then more seldom; a last one shortly after the end; none while nobody sees the page. */
function plan() {
  clearTimeout(timer);
  const time = now();
  // A last one without an answer is asked again, but not for ever.
  if (isOver || document.hidden || time > invoiceEnds + 10 * MINUTE) return;
  let next = time + (time < eagerUntil ? EAGER_PAUSE : pause * (0.9 + Math.random() / 5));
  if (next > invoiceEnds && time < invoiceEnds + GRACE) next = invoiceEnds + GRACE;
  timer = setTimeout(ask, Math.max(next, notBefore) - time);
}

async function ask() {
  if (isOver || isAsking || document.hidden) return;
  if (now() < notBefore) return plan();
  isAsking = true;
  // Timers can be a little early.
  const isLast = now() > invoiceEnds + GRACE / 2;
  const { status, wait } = await settle(macaroon);
  isAsking = false;
  if (isOver) return;
  if (status === 200) return letIn(macaroon);
  if (status === 410) return end('ended', words.ended_unpayable);
  if (status === 402 && isLast) return end('ended', words.ended_unpayable);
  const troubles = [words.slow, words.retrying];
  if (status !== 402) say(status === 429 ? words.slow : words.retrying);
  else if (troubles.includes(byId('status').textContent)) say(words.waiting);
  pause = Math.min(pause * 1.3, LONGEST_PAUSE);
  notBefore = now() + wait;
  plan();
}

/** The Worker's word on a payment, 0 where there is none, and for how long it does not want to be asked again. */
async function settle(macaroon) {
  try {
    const response = await fetch(form.action, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ macaroon, to: path }),
      credentials: 'same-origin',
      signal: AbortSignal.timeout(20 * SECOND),
    });
    // Not every 200 is the Worker's: the network of a hotel answers so as well.
    if (response.ok && (await response.json()).status !== 'paid') throw new Error('not an answer');
    return { status: response.status, wait: Number(response.headers.get('Retry-After')) * SECOND || 0 };
  } catch {
    return { status: 0, wait: 0 };
  }
}

function end(newState, text) {
  isOver = true;
  clearTimeout(timer);
  show(newState);
  if (text) say(text);
}

/** Paid, and the cookie is set. Where nothing can be kept, a circle could not be seen: then the person goes on by hand. */
function letIn(macaroon) {
  end('paid');
  document.title = `${words.stamp} · ${document.title}`;
  scrollTo(0, 0);
  otherTabs.postMessage(path);
  keep('asked', null);
  if (keep('let in', { macaroon, at: Date.now() })) setTimeout(enter, 1.3 * SECOND);
}

async function tryAgain() {
  await settle(letInBefore.macaroon);
  keep('let in', { ...letInBefore, at: Date.now() });
  enter();
}

/** Loads what was asked for. With `/.` in front, which means nothing, no path is taken for another host. */
function enter() {
  const { href, pathname, search } = new URL(`/.${path}`, location.origin);
  if (pathname + search === location.pathname + location.search) location.reload();
  else location.replace(href);
}

// Ways to pay

async function copy() {
  hurry();
  try {
    await navigator.clipboard.writeText(invoice);
    byId('copy').textContent = words.copied;
    setTimeout(() => { byId('copy').textContent = words.copy; }, 2 * SECOND);
  } catch {
    byId('invoice').select();
    say(words.select);
  }
}

function offerWebln() {
  byId('pay-here').hidden = !window.webln || state !== 'pending';
}

/** The wallet's proof of payment is not needed: the Worker asks its own. */
async function payHere() {
  if (isPaying) return;
  isPaying = true;
  say(words.webln_asking);
  try {
    await window.webln.enable();
    await window.webln.sendPayment(invoice);
    say(words.webln_sent);
    hurry();
    ask();
  } catch {
    isPaying = false;
    say(words.webln_failed);
  }
}

// What this tab keeps, for this path, where it may keep anything

function recall(name) {
  try {
    return JSON.parse(sessionStorage.getItem(`edgetoll ${name} ${path}`));
  } catch {
    return null;
  }
}

function keep(name, value) {
  try {
    sessionStorage.setItem(`edgetoll ${name} ${path}`, JSON.stringify(value));
    return true;
  } catch {
    return false;
  }
}
