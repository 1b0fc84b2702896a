// A client that pays the challenges of edgetoll and of any other server that speaks L402. It runs in Node and in browsers from Safari 15,
// Chrome 94 and Firefox 93 on. toll.d.ts documents the API.

/** `fetch` that pays, with the options `wallet`, `maxSats` and `payAgain`. All calls share one client and its credentials. */
export const tollFetch = (input, init) => sharedClient.fetch(input, init);

/**
 * A client that pays within its limits and keeps the credentials that it bought. It dispatches events for a user interface:
 * `challenge`, `paying`, `paid`, `refused`, `reused`.
 */
export class TollClient extends EventTarget {
  #options;
  #purchases;
  /** The payments of this client for which other calls wait, by the key of their challenge. */
  #payments = new Map();

  constructor({ wallet, maxSats = 100, budgetSats = Infinity, budgetSatsPerHost = 1000, network = 'bc', storage } = {}) {
    super();
    this.#options = { wallet, maxSats, budgetSats, budgetSatsPerHost, network, storage };
    this.#purchases = new Purchases(storage);
  }

  /** The sum of all payments of the last 24 hours, in satoshis. A payment of unknown outcome counts as paid. */
  get spentSats() {
    return this.#purchases.spentSats();
  }

  /**
   * `fetch` that pays, at most once per call, and then repeats the request.
   * @returns the response. A 402 is returned if it has no L402 challenge, if it comes from another origin after a redirect, if its
   * invoice was paid before, if a listener stopped the payment, if the mode is `no-cors`, or if the server refuses the new credential.
   * @throws {TollError} if the client refuses to pay, the payment fails, or the connection fails after the payment
   */
  async fetch(input, options) {
    // A page may have put this client in the place of `fetch`.
    if (ATTEMPTS.has(input)) return nativeFetch.call(globalThis, input, options);
    const { wallet = this.#options.wallet ?? globalThis.webln, maxSats = this.#options.maxSats, payAgain = false, ...init } = options ?? {};
    const request = await makeRepeatable(new Request(input, init));
    // With this mode, a browser does not send an Authorization header.
    if (request.mode === 'no-cors') return send(request);
    const signal = (init.signal === undefined && input instanceof Request ? input.signal : init.signal) ?? request.signal;
    // In Node, the signal of a request does not follow that of its caller after a garbage collection, and a clone has no dispatcher. In a
    // browser, such options would remove the referrer.
    const inNode = globalThis.process?.versions?.node ? { signal, dispatcher: init.dispatcher } : undefined;
    const call = { request, signal, inNode, wallet, maxSats, payAgain, tried: new Set(), unjudged: new Set(), sent: 0, isByPath: true, hasPaid: false };
    // A credential that is not known to be good is sent only after a challenge. If the host accepts it then, the host honours the payment.
    const isGood = ({ state, isDenied, wasAccepted }) => state === PAID && !isDenied && wasAccepted;
    const isFitting = (kept) => isGood(kept) && covers(kept, request) && !call.unjudged.has(kept.paymentHash);
    const takeGood = () => this.#take(call, new URL(request.url).origin, isFitting);
    let purchase = takeGood();
    for (;;) {
      const { response, challenge, verdict } = await this.#send(call, purchase);
      if (call.hasPaid) return response;
      const isNew = challenge && challenge.invoice !== purchase?.invoice;
      // Without a challenge, a server does not say whether another credential is valid for this page.
      const isSilent = purchase && response && verdict !== REFUSED && !isAccepted(response) && isWithoutChallenge(request, response, challenge);
      // Another credential may still be sent, and this one again after a challenge.
      const mayTakeOther = isSilent && call.isByPath && call.unjudged.size < MAX_UNJUDGED;
      if (isSilent) {
        call.unjudged.add(purchase.paymentHash);
        call.tried.delete(purchase.paymentHash);
        call.sent -= 1;
      }
      const other = mayTakeOther ? takeGood() : undefined;
      // Without a credential, the next response may have a new challenge.
      const isWithoutNext = verdict === REFUSED || (isSilent && isBare(response, request, challenge));
      if (!isNew && !other && !isWithoutNext) return response;
      if (isNew) call.challenge = challenge;
      purchase = isNew ? await this.#obtain(call, challenge) : other;
      call.isByPath = !isNew;
      if (isNew && !purchase) return response;
      response?.body?.cancel().catch(() => {});
      if (call.response) return call.response;
    }
  }

  /**
   * Sends the request with the credential of a purchase. If the server does not know the payment yet, sends it again after a pause. While
   * the wallet of another tab pays, waits for it, and asks the server again from time to time: that tab may be closed. Returns the
   * response, its challenge, and what the response says about the credential; only `REFUSED` if the other tab did not pay, or took the last
   * use.
   */
  async #send(call, purchase) {
    const { request, signal } = call;
    const started = Date.now();
    const [pauses, looks] = [[...PAUSES_MS], [...LOOKS_MS]];
    // The tab that pays for the last use takes it. If that tab is closed, this call may take it.
    const isLastUse = purchase?.left === 0;
    let isSent = false;
    // The clock may have been set back since the payment began.
    const isPaidElsewhere = () => !call.hasPaid && purchase?.state === SENT && purchase.isPaying && looks.length && Date.now() < Math.min(purchase.at, started) + MAX_WALLET_MS;
    try {
      for (;;) {
        if (isPaidElsewhere()) {
          purchase = await this.#whenPaid(purchase, looks.shift(), signal);
          if (!purchase || (isLastUse && !purchase.isPaying && !purchase.left)) return { verdict: REFUSED };
        }
        if (purchase && !call.hasPaid && !isSent) call.sent += 1;
        isSent = true;
        const attempt = request.clone();
        // `fetch` removes the Authorization header when it follows a redirect to another origin, except in Chrome before 119 and Firefox
        // before 111. A script cannot see where a redirect leads.
        const returned = purchase && this.#purchases.returned(purchase);
        if (purchase) attempt.headers.append('Authorization', `${purchase.scheme} ${purchase.macaroon}:${purchase.preimage ?? ''}`);
        const response = await send(attempt, call.inNode);
        const challenge = readChallenge(response, request);
        const wait = Math.max(pauses.shift(), readRetryAfter(response));
        const isEarly = purchase && isTooEarly(call, purchase, response, challenge) && Date.now() + wait <= started + MAX_WAIT_MS;
        const isWaiting = isPaidElsewhere() && !isAccepted(response);
        if (!isEarly && !isWaiting) return { response, challenge, verdict: purchase && this.#judge(call, purchase, response, challenge, returned) };
        response.body?.cancel().catch(() => {});
        if (!isWaiting) await unlessAborted(new Promise((resolve) => setTimeout(resolve, wait)), signal);
      }
    } catch (cause) {
      if (purchase && !(cause instanceof TollError)) {
        this.#purchases.giveBack(purchase);
        // The request may have taken a use, also the last one.
        this.#purchases.change(purchase, ({ left }) => ({ mayBeSpent: left != null }));
      }
      // A server may allow pages of other origins to read this path, but not to send `Authorization`.
      if (purchase && call.isByPath && !signal.aborted && mayLackPreflight(request)) {
        this.#purchases.change(purchase, withUnfit(request.url));
        // If only the connection failed, the credential is sent again after the challenge.
        call.tried.delete(purchase.paymentHash);
        return { verdict: REFUSED };
      }
      // A caller that waits for some time and then aborts got no answer either.
      const gotNoAnswer = !signal.aborted || Date.now() - started > MIN_WAIT_MS;
      if (call.hasPaid && gotNoAnswer) this.#purchases.change(purchase, () => ({ wasRefused: true }));
      if (!call.hasPaid || signal.aborted) throw cause;
      const message = `The connection failed after the wallet received the invoice; call again to use the credential: ${cause.message}`;
      throw errorFor(purchase, 'connection_failed', message, { cause, mayBePaid: true });
    }
  }

  /** Returns a purchase as soon as no other tab waits for its wallet, at most after `waitMs`; `undefined` if it was not paid. */
  async #whenPaid({ paymentHash }, waitMs, signal) {
    for (let waited = 0; ; waited += READ_AGAIN_MS) {
      const kept = this.#purchases.all().find((one) => one.paymentHash === paymentHash);
      if (!kept?.isPaying || waited >= waitMs) return kept;
      await unlessAborted(new Promise((resolve) => setTimeout(resolve, READ_AGAIN_MS)), signal);
    }
  }

  /** Records what a response says about the credential of a purchase. Returns `ACCEPTED`, `REFUSED` or `undefined`. */
  #judge(call, purchase, response, challenge, returned) {
    const { request, hasPaid, payAgain } = call;
    const { status, headers } = response;
    const usesLeft = status < 500 && isFrom(response, request) ? headers.get('X-Toll-Uses-Remaining') : null;
    // Such a redirect has taken the use, but its headers cannot be read.
    if (usesLeft === null && !isOpaqueRedirect(response)) this.#purchases.giveBack(purchase);
    if (usesLeft !== null) this.#purchases.countUses(purchase, Number(usesLeft), returned);

    if (isAccepted(response)) {
      if (purchase.unfit?.includes(request.url)) this.#purchases.change(purchase, ({ unfit = [] }) => ({ unfit: unfit.filter((url) => url !== request.url) }));
      // The tab that paid is closed, and left the use that it had taken.
      const left = purchase.state === SENT && purchase.isPaying && usesLeft !== null ? { left: Number(usesLeft) } : {};
      if (purchase.state === SENT || purchase.isDenied || !purchase.wasAccepted) {
        this.#purchases.change(purchase, () => ({ state: PAID, isPaying: false, isDenied: false, wasAccepted: true, ...left }));
      }
      if (purchase.state === SENT) this.#emit('paid', request, purchase);
      return ACCEPTED;
    }
    if (hasPaid) this.#purchases.change(purchase, () => ({ wasRefused: true }));
    const isDenied = [401, 402].includes(status) && isFrom(response, request);
    if (isDenied && hasPaid) this.#purchases.change(purchase, () => ({ isDenied }));
    const isUnsure = purchase.state === SENT;
    const isForged = isDenied && status === 401 && /(?:^|,)\s*(?:L402|LSAT)(?![^\s,])/i.test(headers.get('WWW-Authenticate'));
    // Some servers send no challenge when a credential has expired. Before that, a 401 may come from a service behind the server.
    const isExpired = isDenied && status === 401 && !hasPaid && isPast(purchase.until, response);
    // Some servers make a challenge only for a request without a credential. That challenge says what this credential does not open.
    const isUnanswered = !call.isByPath && !hasPaid && isBare(response, request, challenge);
    const offer = isUnanswered ? call.challenge : challenge;
    // A page may cost more than others for which the same credential is valid, and some servers sell each query for itself.
    const isOther = purchase.wasAccepted && ((purchase.url && purchase.url !== request.url) || isCheaper(purchase, { ...offer, sats: priceOf(offer) }));
    const isUnfit = offer && !isPast(purchase.until, response) && (offer.key !== purchase.key || isOther);
    // The price of a request with a body may depend on the body.
    const isOfUrl = offer?.key !== purchase.key || isRead(request);
    if (isUnfit && isOfUrl && !hasPaid) this.#purchases.change(purchase, withUnfit(request.url));
    const isReplaced = offer && offer.invoice !== purchase.invoice && !isUnfit;
    const isInvalid = isForged || isExpired || isReplaced;
    const isGivenUp = payAgain && !hasPaid && (isUnsure || (isDenied && purchase.isDenied) || ([401, 403].includes(status) && isFrom(response, request)));
    if (isGivenUp || (isInvalid && !isUnsure)) {
      // A host does not honour payments if it asks for another payment and never accepted the last one.
      const wasNeverHonoured = !purchase.wasAccepted && !purchase.mayBeSpent && !isPast(purchase.until, response);
      const wasRefused = purchase.wasRefused || purchase.mayBeSpent;
      this.#purchases.change(purchase, ({ isDenied }) => ({ state: GONE, wasRefused, isDenied: hasPaid ? isDenied : !payAgain && (isDenied || wasNeverHonoured) }));
      this.#emit('refused', request, purchase, { status });
      return REFUSED;
    }
    if (isUnsure && !hasPaid) throw errorFor(purchase, 'may_be_paid', MAY_BE_PAID, { response, mayBePaid: true });
    return isUnanswered ? REFUSED : undefined;
  }

  /**
   * Returns a purchase for a challenge: a stored one, or a new one. Waits while another call pays for the same challenge, but at most
   * `MAX_WALLET_MS`. Returns `undefined` if nothing was paid.
   */
  async #obtain(call, challenge) {
    for (;;) {
      const bill = { ...challenge, sats: priceOf(challenge) };
      // A server may honor a payment that was less, after it has raised the price.
      const isFit = ({ unfit = [] }) => !unfit.includes(call.request.url);
      const take = (fits) => this.#take(call, challenge.origin, (one) => one.key === challenge.key && fits(one));
      const isEnough = (one) => !isCheaper(one, bill);
      const kept = take((one) => isEnough(one) && isFit(one)) ?? take(isEnough) ?? take((one) => one.wasAccepted && isRead(call.request) && isFit(one));
      if (kept) return kept;
      const payment = this.#payments.get(challenge.key);
      if (!payment) {
        const bought = await this.#buy(call, challenge);
        if (!call.isPaidElsewhere) return bought;
        call.isPaidElsewhere = call.hasPaid = false;
        continue;
      }
      await unlessAborted(payment.catch(failureFor(challenge.response)), call.signal);
    }
  }

  #take({ request, tried, sent }, origin, fits) {
    // A call sends at most two stored credentials: one chosen by the path, and one by the challenge. Without this limit, a server that
    // refuses every credential would receive all of them.
    if (sent === MAX_STORED) return undefined;
    const isUsable = ({ state, key }) => state === PAID || (state === SENT && !this.#payments.has(key));
    const purchase = this.#purchases.take(request.url, (kept) => kept.origin === origin && isUsable(kept) && !tried.has(kept.paymentHash) && fits(kept));
    if (!purchase) return undefined;
    tried.add(purchase.paymentHash);
    this.#emit('reused', request, purchase);
    return purchase;
  }

  /**
   * Pays and returns the purchase; `undefined` if the invoice was paid before or a listener stopped the payment. There is no `await`
   * before the payment is registered, so two calls cannot pay for the same challenge.
   */
  #buy(call, challenge) {
    const { signal } = call;
    const { response, uses, ...bill } = { ...challenge, ...this.#check(call, challenge) };
    if (this.#purchases.all().some(({ paymentHash }) => paymentHash === bill.paymentHash)) return undefined;
    this.#checkHost(call, bill, response);
    this.#checkBudgets(bill, response);
    // Takes one use for the caller before another call can take it.
    const purchase = { ...bill, url: call.request.url, left: uses && uses - 1, state: RESERVED, at: Date.now() };
    this.#purchases.add(purchase);
    if (!this.#emit('challenge', call.request, purchase) || signal.aborted) {
      this.#purchases.remove(purchase);
      throwIfAborted(signal);
      return undefined;
    }
    call.hasPaid = true;
    let timer;
    // A wallet may never answer. After this time, other calls use the purchase as sent.
    const isLate = new Promise((resolve) => (timer = setTimeout(resolve, MAX_WALLET_MS)));
    const payment = this.#pay(call, purchase, response).finally(() => clearTimeout(timer));
    const awaited = Promise.race([payment, isLate]).finally(() => {
      this.#payments.delete(bill.key);
      this.#purchases.change(purchase, () => ({ isPaying: false }));
    });
    this.#payments.set(bill.key, awaited);
    return unlessAborted(awaited.then(() => payment), signal);
  }

  /** Returns the decoded invoice of a challenge. Throws if the invoice must not be paid. */
  #check({ wallet, maxSats }, { response, origin, hostname, host, until, paymentHash, invoice: bolt11 }) {
    let invoice;
    const refuse = (code, message) => {
      throw errorFor(invoice, code, message, { response });
    };
    if (!isPrivate(origin)) refuse('insecure', `${origin} is not encrypted, so others could read and use the credential. Nothing was paid: use https`);
    if (!globalThis.crypto?.subtle) refuse('insecure', 'This page cannot check a payment (crypto.subtle is missing). Nothing was paid: load the page with https');
    invoice = readInvoice(bolt11, (why) => refuse('bad_invoice', `The invoice is invalid and was not paid: ${why}`));
    if (invoice.network !== this.#options.network) refuse('bad_invoice', `The invoice is for the network "${invoice.network}", not "${this.#options.network}". It was not paid`);
    if (paymentHash && paymentHash !== invoice.paymentHash) refuse('bad_invoice', 'The macaroon belongs to another invoice. Nothing was paid');
    if (host && host !== hostname) refuse('bad_invoice', `The macaroon is for the host ${host}. Nothing was paid`);
    if (isPast(invoice.expires, response)) refuse('bad_invoice', 'The invoice has expired. It was not paid');
    if (isPast(until, response)) refuse('bad_invoice', 'The macaroon has expired. Nothing was paid');
    if (!(invoice.sats <= maxSats)) refuse('too_expensive', `The price is ${invoice.sats} sats, more than maxSats (${maxSats}) allows. Nothing was paid`);
    if (!wallet?.payInvoice && !wallet?.sendPayment) refuse('no_wallet', `The price is ${invoice.sats} sats, and there is no wallet to pay it. Pass a wallet, or use a browser with WebLN`);
    return invoice;
  }

  /**
   * Throws if the host did not honour an earlier payment, or if an earlier payment may have bought the same content. With `payAgain`, gives
   * such payments up instead.
   */
  #checkHost({ payAgain }, bill, response) {
    const ofHost = this.#purchases.all().filter(({ hostname }) => hostname === bill.hostname);
    const refused = ofHost.some(({ wasAccepted }) => wasAccepted) ? [] : ofHost.filter(({ wasRefused }) => wasRefused);
    const isUnsure = (kept) => kept.state === SENT && kept.key === bill.key && !isCheaper(kept, bill);
    const isInTheWay = (kept) => kept.isDenied || isUnsure(kept) || refused.indexOf(kept) >= MAX_REFUSED - 1;
    for (const kept of ofHost.filter(isInTheWay)) {
      if (payAgain) {
        this.#purchases.change(kept, () => ({ state: GONE, isDenied: false, wasRefused: false }));
        continue;
      }
      if (isUnsure(kept)) throw errorFor(kept, 'may_be_paid', MAY_BE_PAID, { response, mayBePaid: true });
      const payment = `a payment of ${kept.sats} sats (payment hash ${kept.paymentHash})`;
      throw errorFor(bill, 'not_honoured', `${bill.hostname} gave no access for ${payment}. Nothing more was paid; payAgain allows another payment`, { response });
    }
  }

  #checkBudgets(bill, response) {
    const { budgetSats, budgetSatsPerHost } = this.#options;
    const isWithin = this.spentSats + bill.sats <= budgetSats && this.#purchases.spentSats(bill.hostname) + bill.sats <= budgetSatsPerHost;
    if (!isWithin) throw errorFor(bill, 'over_budget', `The price is ${bill.sats} sats, more than the budget of 24 hours has left. Nothing was paid`, { response });
  }

  /**
   * Pays the invoice, and stores and returns the purchase, even if the caller has aborted meanwhile. If the wallet returns no preimage,
   * sends the request without one: the server may look up the payment at its own wallet.
   */
  async #pay(call, purchase, challenged) {
    let failure;
    try {
      const result = await this.#payWithWallet(call, purchase, challenged);
      if (call.isPaidElsewhere) return undefined;
      const preimage = readPreimage(result);
      if (await isPreimage(preimage, purchase.paymentHash)) {
        // Other tabs may have taken uses meanwhile.
        const kept = this.#purchases.all().find(({ paymentHash }) => paymentHash === purchase.paymentHash);
        const paid = this.#purchases.add({ ...purchase, ...kept, preimage, state: PAID, isPaying: false });
        // A caller that has aborted does not need the use that was taken for it.
        if (call.signal.aborted) this.#purchases.giveBack(paid);
        this.#emit('paid', call.request, paid);
        return paid;
      }
      const message = 'The wallet returned no valid preimage, and the server gives no access without one. The money may be spent';
      failure = errorFor(purchase, 'wrong_preimage', message, { response: challenged, mayBePaid: true });
    } catch (error) {
      if (!error.mayBePaid) throw error;
      failure = error;
    }
    this.#purchases.change(purchase, () => ({ isPaying: false }));
    // The server may give access without a preimage. If it does, the caller gets this response.
    const { response, verdict } = await this.#send(call, { ...purchase, state: SENT });
    if (verdict !== ACCEPTED) {
      response.body?.cancel().catch(() => {});
      throw failure;
    }
    call.response = response;
    return purchase;
  }

  /**
   * Lets the wallet pay, and returns its result. If another client pays for the same content in the meantime, sets `isPaidElsewhere`
   * instead. If the wallet fails after it received the invoice, the price counts as spent, unless the error says that nothing was paid.
   */
  async #payWithWallet(call, purchase, response) {
    const { request, signal, wallet } = call;
    let isSent = false;
    try {
      if (!wallet.payInvoice) await unlessAborted(Promise.resolve(wallet.enable?.()), signal);
      if (this.#options.storage) await unlessAborted(lock(PREFIX + purchase.key), signal);
      throwIfAborted(signal);
      // While the wallet asked the person, another tab may have paid for the same content. After two stored credentials, this call takes no other.
      const isSame = (kept) => kept.key === purchase.key && !isCheaper(kept, purchase) && kept.origin === purchase.origin && kept.paymentHash !== purchase.paymentHash && !call.tried.has(kept.paymentHash);
      if (call.sent < MAX_STORED && this.#purchases.all().some((kept) => isSame(kept) && [SENT, PAID].includes(kept.state) && kept.left !== 0)) {
        call.isPaidElsewhere = true;
        this.#purchases.remove(purchase);
        return undefined;
      }
      this.#emit('paying', request, purchase);
      this.#purchases.add({ ...purchase, state: SENT, isPaying: true });
      isSent = true;
      return await (wallet.payInvoice ? wallet.payInvoice(purchase.invoice) : wallet.sendPayment(purchase.invoice));
    } catch (cause) {
      const mayBePaid = isSent && !saysUnpaid(cause);
      if (!mayBePaid) this.#purchases.remove(purchase);
      if (!isSent && signal.aborted) throw cause;
      const message = mayBePaid ? 'The wallet failed, and the money may be spent' : 'The wallet did not pay';
      throw errorFor(purchase, 'payment_failed', `${message}: ${cause?.message ?? cause}`, { response, cause, mayBePaid });
    }
  }

  /** Dispatches an event. Returns `false` if a listener called `preventDefault`. */
  #emit(type, { url }, { sats, paymentHash }, more) {
    const detail = { url, sats, paymentHash, ...more };
    return this.dispatchEvent(new CustomEvent(type, { detail, cancelable: type === 'challenge' }));
  }
}

/**
 * The error of a `fetch` that returns no response. `response` is the 402 response, if any. `mayBePaid`: the invoice with this payment
 * hash and amount was paid or may have been paid.
 */
export class TollError extends Error {
  name = 'TollError';

  constructor(code, message, { response, cause, mayBePaid = false, paymentHash, amountSats } = {}) {
    super(message, { cause });
    Object.assign(this, { code, response, mayBePaid, paymentHash, amountSats });
  }
}

const errorFor = (invoice, code, message, more) => new TollError(code, message, { paymentHash: invoice?.paymentHash, amountSats: invoice?.sats, ...more });
const MAY_BE_PAID = 'The wallet may already have paid for this, but the server gives no access yet. Nothing more was paid; payAgain allows another payment';

/**
 * All purchases of 24 hours, and older ones that are still of use. A purchase is what was paid, or may have been paid, and its credential.
 * Each purchase is an entry of its own, and every method reads the entries again, so clients in several tabs can share one storage.
 * Purchases are never changed in place.
 */
class Purchases {
  #entries;
  /**
   * The payment hashes that this client has seen. If two clients write the list of purchases at the same time, the list loses a purchase;
   * this set restores it.
   */
  #known = new Set();

  constructor(storage) {
    this.#entries = new Entries(storage);
  }

  all() {
    this.#entries.storeAgain();
    const list = this.#entries.read(LIST);
    const listed = Array.isArray(list) ? list : [];
    const kept = [];
    for (const paymentHash of new Set([...listed, ...this.#known])) {
      const purchase = this.#entries.read(PREFIX + paymentHash);
      if (purchase?.paymentHash !== paymentHash || !isPurchase(purchase)) continue;
      if (isOutdated(purchase)) this.#entries.remove(PREFIX + paymentHash);
      else kept.push(purchase.kinds ? purchase : withKinds(purchase));
    }
    this.#known = new Set(kept.map(({ paymentHash }) => paymentHash));
    // The list is not kept in memory, where it would hide what other tabs add to it.
    if (String([...this.#known]) !== String(listed)) this.#entries.store(LIST, [...this.#known]);
    return kept;
  }

  spentSats(hostname) {
    const counted = this.all().filter((kept) => isRecent(kept) && (!hostname || kept.hostname === hostname));
    return counted.reduce((sum, { sats }) => sum + sats, 0);
  }

  /**
   * Returns a purchase that fits, and takes one of its uses; `undefined` if none fits. Prefers one that is known to be paid, then one that
   * was bought for the URL, then one for a single path, then the newest, but of those of a realm with a number of uses the cheapest. One
   * for which a wallet pays fits also without a use that is left: see `TollClient.#send`.
   */
  take(url, fits) {
    const rank = (one) => (one.state === PAID ? 4 : 0) + (one.url === url ? 2 : 0) + (one.endpoint ? 1 : 0);
    const fitting = this.all().filter((kept) => (kept.left !== 0 || (kept.state === SENT && kept.isPaying)) && fits(kept));
    const [first] = fitting.sort((a, b) => rank(b) - rank(a) || b.at - a.at);
    const isAlike = (one) => one.left != null && rank(one) === rank(first) && ['realm', 'services', 'endpoint'].every((name) => one[name] === first[name]);
    const [best] = first?.left == null ? [first] : fitting.filter(isAlike).sort((a, b) => a.sats - b.sats);
    if (best) this.change(best, ({ left }) => ({ left: left && left - 1 }));
    return best;
  }

  giveBack(purchase) {
    this.change(purchase, ({ left, returned = 0 }) => (left == null ? {} : { left: left + 1, returned: returned + 1 }));
  }

  /** Returns how many uses were given back until now. */
  returned({ paymentHash }) {
    return this.all().find((one) => one.paymentHash === paymentHash)?.returned ?? 0;
  }

  /**
   * Records how many uses are left according to a response. With as many as before, it is a response to `HEAD` or from the browser's cache,
   * and took no use. The server counts the uses when it gets the request. Uses that were given back since then are added: `returned` is
   * their number at that time.
   */
  countUses(purchase, usesLeft, returned) {
    this.change(purchase, ({ left, lowest, returned: returnedNow = 0 }) => {
      if (usesLeft >= (lowest ?? left + 1)) return { left: left + 1 };
      return { left: Math.min(left ?? Infinity, usesLeft + returnedNow - returned), lowest: usesLeft };
    });
  }

  /** Changes a purchase, unless it was removed meanwhile. A removed purchase is not restored. */
  change({ paymentHash }, changes) {
    const current = this.#entries.read(PREFIX + paymentHash);
    if (!current) return;
    const changed = { ...current, ...changes(current) };
    this.#entries.write(PREFIX + paymentHash, current.state === GONE ? { ...changed, state: GONE } : changed);
  }

  add(purchase) {
    this.#entries.write(PREFIX + purchase.paymentHash, purchase);
    this.#known.add(purchase.paymentHash);
    this.all();
    return purchase;
  }

  remove({ paymentHash }) {
    this.#entries.remove(PREFIX + paymentHash);
    this.all();
  }
}

/** Entries of a storage, as JSON. Without a storage, and while the storage fails, the entries are kept in memory. */
class Entries {
  #storage;
  #memory = new Map();

  constructor(storage) {
    this.#storage = storage;
  }

  /** Returns an entry; `undefined` if it is missing or is not a list or an object. */
  read(name) {
    try {
      const value = this.#memory.has(name) ? this.#memory.get(name) : JSON.parse(this.#storage.getItem(name));
      return typeof value === 'object' ? value ?? undefined : undefined;
    } catch {
      return undefined;
    }
  }

  write(name, value) {
    if (this.store(name, value)) this.#memory.delete(name);
    else this.#memory.set(name, value);
  }

  remove(name) {
    this.write(name, undefined);
  }

  /** Tries again to store the entries that are in memory. */
  storeAgain() {
    if (this.#storage) [...this.#memory].forEach(([name, value]) => this.write(name, value));
  }

  /**
   * Writes an entry to the storage, or removes it if `value` is `undefined`. Returns whether the storage has done so: some storages do
   * nothing, or do it later.
   */
  store(name, value) {
    const text = JSON.stringify(value);
    try {
      if (text === undefined) this.#storage.removeItem(name);
      else this.#storage.setItem(name, text);
      return (this.#storage.getItem(name) ?? undefined) === text;
    } catch {
      return false;
    }
  }
}

/** Sends a request of a client. */
function send(request, options) {
  ATTEMPTS.add(request);
  return fetch(request, options);
}
const nativeFetch = globalThis.fetch;
/** The requests that a client sends, so that it does not take them for calls of a page. */
const ATTEMPTS = new WeakSet();

const sharedClient = new TollClient();
const LIST = 'toll.js';
const PREFIX = 'toll.js ';
const DAY_MS = 86_400_000;
/** A host that has refused so many payments, and has accepted none, is not paid again. An honest API may answer 404 to the first ones. */
const MAX_REFUSED = 3;

// The states of a purchase: 1. its price is taken from the budgets; 2. the wallet has the invoice, so it may be paid; 3. it is paid; 4. it
// is given up, or the server refuses it.
const [RESERVED, SENT, PAID, GONE] = ['reserved', 'sent', 'paid', 'gone'];
// What a response says about a credential.
const [ACCEPTED, REFUSED] = ['accepted', 'refused'];

/** Whether an entry has the types of a purchase. Other scripts of the page can write to the same storage. */
function isPurchase({ scheme, macaroon, preimage, origin, endpoint, method, unfit = [], sats, at }) {
  const isText = (value) => typeof value === 'string';
  const isPreimage = preimage == null || /^[\da-f]{64}$/.test(preimage);
  const isLimited = [endpoint, method].every((value) => value == null || isText(value));
  return [scheme, macaroon].every(isToken68) && isPreimage && isText(origin) && isLimited && Array.isArray(unfit) && [sats, at].every(Number.isFinite);
}

const isRecent = ({ at }) => at > Date.now() - DAY_MS;

/** Whether a purchase is no longer of use. An expired purchase is kept for one more day, because clocks differ. */
function isOutdated(purchase) {
  const { state, left, until, isDenied } = purchase;
  const isUsable = state === SENT || (state === PAID && left !== 0);
  return !isRecent(purchase) && !isDenied && (!isUsable || until * 1000 + DAY_MS < Date.now());
}

/** The most stored credentials that one call sends, besides those that the server does not judge. */
const MAX_STORED = 2;

/** The most credentials that one call sends without an answer of the server whether they are valid. */
const MAX_UNJUDGED = 4;

/** The most URLs that are remembered for which a credential is not valid, besides the last one. */
const MAX_UNFIT = 49;

/** The pauses after which a request is sent again while its payment has not arrived, and the longest time that this may take. */
const PAUSES_MS = [200, 400, 800, 1600];
const MAX_WAIT_MS = 30_000;

/** How long a call waits at least for the answer to a paid request, before an abort counts as no answer. */
const MIN_WAIT_MS = 2_000;

/** The longest time for which other calls wait for the wallet. A person may have to confirm the payment. */
const MAX_WALLET_MS = 120_000;

/** The pause between two looks at a purchase that another tab pays. */
const READ_AGAIN_MS = 500;

/** The pauses after which the server is asked while another tab pays: together as long as `MAX_WALLET_MS`. */
const LOOKS_MS = [5_000, 10_000, 20_000, 40_000, 45_000];

/** How long a lock is kept. Other tabs see some milliseconds later what a tab has written to `localStorage`. */
const LOCK_MS = 100;

/**
 * Takes a lock that all tabs of this origin share, and keeps it for `LOCK_MS`. Resolves as soon as the lock is taken; at once where there
 * are no locks, as in Safari before 15.4 and Firefox before 96.
 */
const lock = (name) => new Promise((resolve) => {
  const keep = () => new Promise((release) => {
    resolve();
    setTimeout(release, LOCK_MS);
  });
  Promise.resolve(globalThis.navigator?.locks?.request(name, keep)).then(resolve, resolve);
});

/**
 * Whether the server may accept the credential soon: it does not know the payment yet, cannot look it up now, or serves another request
 * with the last use.
 */
function isTooEarly({ hasPaid }, { state, invoice }, response, challenge) {
  const { status, headers } = response;
  if (challenge?.invoice === invoice && (hasPaid || state === SENT)) return true;
  return !isAccepted(response) && (state === SENT ? [409, 429, 503].includes(status) : status === 409 && headers.has('Retry-After'));
}

/**
 * Whether a response shows that the server accepted the credential. A 401 or a 503 with `X-Toll-Expires` comes from the origin, so the
 * server has accepted the credential. So does a 402 with this header, unless the origin makes a challenge of its own.
 */
const isAccepted = (response) => {
  const { status, headers } = response;
  const isOfOrigin = () => headers.has('X-Toll-Expires') && (status !== 402 || !readHeader(headers.get('WWW-Authenticate') ?? '')?.invoice);
  return (status >= 200 && status < 400) || isOpaqueRedirect(response) || isOfOrigin();
};

/** Whether a response is a redirect that the caller, or a browser for a navigation, did not want to be followed. It has no status. */
const isOpaqueRedirect = ({ type }) => type === 'opaqueredirect';

/** Returns `Retry-After` (seconds or a date) in milliseconds; 0 if the response has none. */
function readRetryAfter({ headers }) {
  const value = headers.get('Retry-After') ?? '';
  return (/^\d+$/.test(value) ? value * 1000 : Date.parse(value) - Date.now()) || 0;
}

/** Returns the request with its body in memory, so that it can be sent again after a payment. */
async function makeRepeatable(request) {
  if (isRead(request)) return request;
  const { referrer, referrerPolicy } = request;
  const body = await request.blob().catch((cause) => {
    throwIfAborted(request.signal);
    throw new TollError('unrepeatable_body', 'The request body cannot be read, so it could not be repeated after a payment. Nothing was sent', { cause });
  });
  return request.bodyUsed ? new Request(request, { body, referrer, referrerPolicy }) : request;
}

const covers = ({ macaroon, endpoint, method, unfit = [] }, request) => {
  const { pathname } = new URL(request.url);
  const isOfMethod = !method || method === request.method || (method === 'GET' && request.method === 'HEAD');
  const isSamePath = !endpoint || comparable(endpoint, macaroon) === comparable(pathname, macaroon);
  return isSamePath && isOfMethod && !unfit.includes(request.url);
};

/** Adds a URL to those for which a credential is not valid. */
const withUnfit = (url) => ({ unfit = [] }) => ({ unfit: [...unfit.slice(-MAX_UNFIT), url] });

/** Whether a browser sends this request without `Authorization` to another origin without asking it before (a preflight). */
function mayLackPreflight(request) {
  const { location } = globalThis;
  return location && new URL(request.url).origin !== location.origin && isRead(request);
}

/** Whether a server refuses a request without saying whether a credential is valid: at a limit, while its wallet fails, or to `HEAD`. */
const isWithoutChallenge = (request, response, challenge) =>
  response.status === 429 || (response.status === 503 && request.method === 'GET') || isBare(response, request, challenge);

/** Whether the server of a request asks for a payment, and makes no challenge. */
const isBare = (response, request, challenge) => response.status === 402 && !challenge && isFrom(response, request);

/** Completes a purchase that an older toll.js has stored. */
function withKinds(purchase) {
  const { kinds = [], fiat } = readMacaroon(purchase.macaroon) ?? {};
  return { ...purchase, fiat, key: kinds.length ? `${String(purchase.key).slice(0, -1)},${JSON.stringify(kinds).slice(1)}` : purchase.key };
}

/**
 * Whether a purchase cost less than another one. Of two prices in a currency, the exchange rate does not count, as at the server.
 */
function isCheaper(purchase, { sats, fiat }) {
  return purchase.fiat && fiat ? parseFloat(purchase.fiat) < parseFloat(fiat) : purchase.sats < sats;
}

/**
 * Returns a path as it is compared with that of a macaroon. edgetoll ignores a slash at the end. lightning-toll, whose macaroons are JSON,
 * does not. A binary macaroon begins with its version, 2.
 */
const comparable = (path, macaroon) => (macaroon.startsWith('Ag') ? path.replace(/(.)\/$/, '$1') : path);

const isRead = ({ method }) => ['GET', 'HEAD'].includes(method);

/**
 * Whether a response comes from the origin of the request, and not from another origin after a redirect. A response without a URL was
 * made by a service worker of the page.
 */
const isFrom = ({ url }, request) => !url || new URL(url).origin === new URL(request.url).origin;

/** Returns macaroon, invoice and limits of a challenge; `undefined` if the response has no challenge or is from another origin. */
function readChallenge(response, request) {
  if (response.status !== 402 || !isFrom(response, request)) return undefined;
  const { origin, hostname, pathname } = new URL(request.url);
  const { scheme, macaroon, invoice } = readHeader(response.headers.get('WWW-Authenticate') ?? '') ?? {};
  if (!invoice) return undefined;
  // A macaroon of another format is assumed to be valid only for this path and method. `HEAD` counts as `GET`.
  const limits = readMacaroon(macaroon) ?? { endpoint: pathname, method: request.method === 'HEAD' ? 'GET' : request.method, until: readExpiry(macaroon) };
  const { realm, services, endpoint, method, kinds = [] } = limits;
  const path = endpoint && comparable(endpoint, macaroon);
  return { ...limits, response, origin, hostname, scheme, macaroon, invoice, key: JSON.stringify([origin, realm, services, path, method, ...kinds]) };
}

/**
 * Returns scheme, macaroon and invoice of the first complete L402 or LSAT challenge in a `WWW-Authenticate` header (RFC 9110), or
 * `undefined`. Newer servers call the macaroon `token`.
 */
function readHeader(header) {
  if (header.length > 8192) return undefined;
  const challenges = [];
  for (const [, name, quoted, token, scheme] of header.matchAll(PARAMETER_OR_SCHEME)) {
    if (scheme) challenges.push({ scheme, parameters: new Map() });
    const { parameters } = challenges[challenges.length - 1] ?? {};
    if (name && parameters && !parameters.has(name.toLowerCase())) parameters.set(name.toLowerCase(), quoted?.replace(/\\(.)/g, '$1') ?? token);
  }
  const read = challenges.filter(({ scheme }) => /^(l402|lsat)$/i.test(scheme)).map(({ scheme, parameters }) => {
    const macaroon = [parameters.get('macaroon'), parameters.get('token')].find(isToken68);
    return { scheme, macaroon, invoice: parameters.get('invoice') };
  });
  return read.find(({ macaroon, invoice }) => macaroon && invoice);
}

const isToken68 = (text) => typeof text === 'string' && /^[\w.~+/-]+=*$/.test(text);

const PARAMETER_OR_SCHEME = /[\s,]*(?:([^\s,="]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*))|([^\s,="]+))/gy;

/** Returns the limits that a macaroon names, in libmacaroons' binary v2 or in lightning-toll's JSON; `undefined` for any other format. */
function readMacaroon(base64) {
  try {
    const bytes = Uint8Array.from(decodeBase64(base64), (char) => char.charCodeAt(0));
    const { paymentHash, caveats } = bytes[0] === 2 ? readBinaryMacaroon(bytes) : readJsonMacaroon(bytes);
    const pairs = caveats.map((caveat) => caveat.split(/\s*=\s*(.*)/s, 2)).map(([name, value]) => [name.toLowerCase(), value]).reverse();
    const named = new Map(pairs);
    const dates = pairs.filter(([name, value]) => EXPIRY.test(name) && /^\d+$/.test(value)).map(([, value]) => toSeconds(value));
    const uses = named.get('uses');
    // A credential that lacks one of these is not valid for each page of its realm, and one with other uses ends earlier there.
    const kinds = [named.has('ip') && 'ip', uses && `uses ${uses}`, named.get('fiat')?.split(' ').pop()].filter(Boolean);
    return {
      kinds,
      ...Object.fromEntries(['realm', 'services', 'endpoint', 'host', 'fiat'].map((name) => [name, named.get(name)])),
      method: named.get('method')?.toUpperCase(),
      uses: /^\d+$/.test(uses) ? Number(uses) : undefined,
      until: dates.length ? Math.min(...dates) : undefined,
      paymentHash,
    };
  } catch {
    return undefined;
  }
}

/** Returns the bytes as characters; `undefined` if the text is not base64 or base64url. */
function decodeBase64(text) {
  try {
    return atob(text.replace(/-/g, '+').replace(/_/g, '/'));
  } catch {
    return undefined;
  }
}

/** The caveats that limit the time: of edgetoll and Aperture, of lightning-toll and others, and of boltwall. */
const EXPIRY = /^(\w+_)?valid_until$|^expires(_at)?$|^expiration$/i;

/** Some issuers count milliseconds. */
const toSeconds = (date) => (date > 1e11 ? date / 1000 : Number(date));

/**
 * Returns until when a macaroon of another format is valid; `undefined` if no time is found. pymacaroons writes libmacaroons' v1, and
 * lightning-memory a format of its own. Both have the caveats as text.
 */
function readExpiry(base64) {
  const text = decodeBase64(base64) ?? '';
  const dates = [...text.matchAll(/(?:valid_until|expires|expires_at|expiration) *= *(\d{10}(?:\d{3})?)/gi)].map(([, date]) => toSeconds(date));
  return dates.length ? Math.min(...dates) : undefined;
}

function readBinaryMacaroon(bytes) {
  const [identifier, ...caveats] = readFields(bytes);
  // L402's identifier: two bytes of version, the payment hash, and a token ID of 32 bytes.
  const isL402 = identifier.length === 66 && !identifier[0] && !identifier[1];
  return { paymentHash: isL402 ? toHex(identifier.subarray(2, 34)) : undefined, caveats: caveats.map((caveat) => new TextDecoder().decode(caveat)) };
}

function readJsonMacaroon(bytes) {
  const { id, caveats } = JSON.parse(new TextDecoder().decode(bytes));
  return { paymentHash: /^[\da-f]{64}$/.test(id) ? id : undefined, caveats };
}

/** Returns a macaroon's fields of type 2: the identifier, then the caveats. A field is a type, a length (LEB128) and its bytes. */
function readFields(bytes) {
  const contents = [];
  for (let at = 1; at < bytes.length; ) {
    const type = bytes[at++];
    if (type === END_OF_SECTION) continue;
    let length = 0;
    for (let [shift, byte] = [1, 128]; byte & 128; shift *= 128) {
      byte = bytes[at++];
      length += (byte & 127) * shift;
    }
    if (type === 2) contents.push(bytes.subarray(at, at + length));
    at += length;
    if (!(at <= bytes.length)) throw new RangeError('The macaroon is truncated');
  }
  return contents;
}

const END_OF_SECTION = 0;

/**
 * Returns network, amount, payment hash and expiry (in Unix seconds) of an invoice (BOLT 11). The signature is not checked: the wallet
 * does that.
 */
function readInvoice(text, refuse) {
  const lowerCase = text === text.toUpperCase() ? text.toLowerCase() : text;
  const [, prefix, data] = lowerCase.match(/^(ln[a-z\d]+)1([qpzry9x8gf2tvdw0s3jn54khce6mua7l]{117,4096})$/) ?? refuse('it is not a BOLT 11 invoice');
  const groups = [...data].map((letter) => LETTERS.indexOf(letter));
  if (!checksumHolds(prefix, groups)) refuse('its checksum is wrong');
  const [, network, digits, unit] = prefix.match(/^ln([a-z]+)(?:([1-9]\d*)([munp]?))?$/) ?? refuse('its amount cannot be read');
  if (!digits) refuse('it has no amount');
  const pico = BigInt(digits) * PICO_BITCOIN[unit];
  if (pico % PICO_SAT) refuse('its amount is not a whole number of sats');
  const { paymentHash, seconds } = readInvoiceFields(groups.slice(7, -110), refuse);
  return { network, sats: Number(pico / PICO_SAT), paymentHash, expires: toNumber(groups.slice(0, 7)) + seconds };
}

/** Returns the price of a challenge in satoshis; `undefined` without a challenge, or if its invoice cannot be read. */
function priceOf(challenge) {
  try {
    return readInvoice(challenge.invoice, () => { throw new TypeError('The invoice cannot be read'); }).sats;
  } catch {
    return undefined;
  }
}

/**
 * Returns the payment hash in the fields of an invoice, and the seconds for which the invoice is valid. Refuses an invoice without a
 * payment hash, and one with two different payment hashes. A field is a type, a length in two groups, and its groups of five bits.
 */
function readInvoiceFields(fields, refuse) {
  const hashes = new Set();
  let seconds;
  while (fields.length) {
    const [type, high, low, ...rest] = fields;
    const length = high * 32 + low;
    if (!(length <= rest.length)) refuse('it is truncated');
    // 52 groups are 260 bits: 256 of the hash and four of padding.
    if (type === 1 && length === 52) hashes.add(rest.slice(0, 52).reduce((sum, group) => sum * 32n + BigInt(group), 0n) >> 4n);
    if (type === 6) seconds ??= toNumber(rest.slice(0, length));
    fields = rest.slice(length);
  }
  if (hashes.size !== 1) refuse('it does not have exactly one payment hash');
  return { paymentHash: [...hashes][0].toString(16).padStart(64, '0'), seconds: seconds ?? 3600 };
}

const toNumber = (groups) => groups.reduce((sum, group) => sum * 32 + group, 0);

/**
 * Whether a time in Unix seconds has passed on the server's clock. CORS hides the header `Date`. Without it, the clock of this device
 * counts, and may be a minute fast.
 */
function isPast(unix, { headers }) {
  const serverTime = Date.parse(headers.get('Date') ?? '');
  return unix * 1000 < (Number.isNaN(serverTime) ? Date.now() - 60_000 : serverTime);
}

/** Whether the Bech32 checksum (BIP 173) is correct. */
function checksumHolds(prefix, groups) {
  const codes = [...prefix].map((letter) => letter.charCodeAt(0));
  const residue = [...codes.map((code) => code >> 5), 0, ...codes.map((code) => code & 31), ...groups].reduce((sum, value) => {
    const shifted = ((sum & 0x1ffffff) << 5) ^ value;
    return GENERATOR.reduce((all, one, bit) => ((sum >>> (25 + bit)) & 1 ? all ^ one : all), shifted);
  }, 1);
  return residue === 1;
}

const LETTERS = 'qpzry9x8gf2tvdw0s3jn54khce6mua7l';
const GENERATOR = [0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3];
const PICO_BITCOIN = { '': 10n ** 12n, m: 10n ** 9n, u: 10n ** 6n, n: 1000n, p: 1n };
const PICO_SAT = 10_000n;

/** Returns the preimage in a wallet's result in lower case, without `0x` and white space. */
function readPreimage(result) {
  const preimage = result?.preimage ?? result;
  return typeof preimage === 'string' ? preimage.replace(/\s/g, '').toLowerCase().replace(/^0x/, '') : '';
}

async function isPreimage(preimage, paymentHash) {
  if (!/^[\da-f]{64}$/.test(preimage)) return false;
  const bytes = Uint8Array.from(preimage.match(/../g), (pair) => parseInt(pair, 16));
  return toHex(new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))) === paymentHash;
}

const toHex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');

/** Whether the connection is private: https, or this machine. */
function isPrivate(origin) {
  const { protocol, hostname } = new URL(origin);
  return protocol === 'https:' || /^(.+\.)?localhost$|^127\.[\d.]+$|^\[::1\]$/.test(hostname);
}

/** Whether a wallet's error says that nothing was paid: its `paid` is `false`, or it is WebLN's error for a user who declines. */
const saysUnpaid = (error) =>
  error?.paid === false || error?.message === 'User rejected' || [error?.name, error?.constructor?.name].includes('RejectionError');

/**
 * Returns an error handler for a call that waits for the payment of another call. A `TollError` is thrown again with `response`, the
 * 402 response of the waiting call. Any other error means that the other call was aborted before its wallet received the invoice. Such
 * an error is ignored, so that the waiting call pays.
 */
const failureFor = (response) => (error) => {
  if (error instanceof TollError) throw new TollError(error.code, error.message, { ...error, cause: error.cause, response });
};

/** Returns a promise that settles like `promise`, but rejects when the signal aborts. The work of `promise` continues. */
function unlessAborted(promise, signal) {
  return new Promise((resolve, reject) => {
    const leave = () => reject(reasonOf(signal));
    signal.addEventListener('abort', leave);
    if (signal.aborted) leave();
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', leave));
  });
}

function throwIfAborted(signal) {
  if (signal.aborted) throw reasonOf(signal);
}

/** Why a signal was aborted. Safari before 15.4, Chrome before 98 and Firefox before 97 do not say. */
const reasonOf = ({ reason }) => reason ?? new DOMException('The request was aborted', 'AbortError');
