// The Durable Object class of a connection to a wallet over Nostr Wallet Connect: the WebSocket to the relay, and the requests that wait
// for a response. The wasm decides what is sent, and reads what arrives.
import { REQUEST_HEADER, within } from './shell.js';

/**
 * The class of `objects/nwc_connection.rs`.
 * @typedef {object} NwcConnection
 * @property {(call: string) => string | undefined} begin
 * @property {() => string | undefined} askForInfo
 * @property {() => string | undefined} subscribe
 * @property {(method: string, params: string, limitMs: number) => string | undefined} seal
 * @property {(message: string) => string} read
 * @property {() => boolean} isReceiveOnly
 * @property {(info: string) => string | undefined} learn
 * @property {(notification: string) => Promise<any>} record
 */

/**
 * Returns the class of the Durable Object. A call is answered with the response of the wallet, or with `!` and the name of a fault.
 * @param {(state: DurableObjectState, env: object) => { get(): NwcConnection }} current
 */
export function nwcConnection(current) {
  return class {
    /** @type {Relay | undefined} */
    #relay;
    /** @type {Promise<Relay> | undefined} */
    #connecting;
    /** @type {Promise<void> | undefined} */
    #checking;
    /** How many relays have failed. The next connection is to the next relay of the address. */
    #failures = 0;

    /**
     * @param {DurableObjectState} state
     * @param {object} env
     */
    constructor(state, env) {
      this.state = state;
      this.current = current(state, env);
    }

    /** @param {Request} request */
    async fetch(request) {
      const call = request.headers.get(REQUEST_HEADER) ?? '';
      try {
        return new Response(await this.#call(call, await request.text()));
      } catch (error) {
        return new Response(`!${error instanceof Fault ? error.message : 'unreachable'}`);
      }
    }

    /**
     * @param {string} call
     * @param {string} params
     */
    async #call(call, params) {
      const [, method = '', limitMs] = call.split(' ');
      const object = this.current.get();
      const relays = object.begin(call);
      if (relays === undefined) throw new Fault('not_configured');
      const limit = Number(limitMs);
      const startedMs = Date.now();
      try {
        return await within(this.#exchange(object, relays.split('\n'), method, params, limit), limit);
      } catch (error) {
        if (error instanceof Fault) throw error;
        // Without any message of the relay, the connection may be dead. Otherwise, the wallet may be at the next relay.
        if (relays.includes('\n') || (this.#relay && this.#relay.heardMs < startedMs)) this.#relay?.close();
        this.#failures += 1;
        throw new Fault('timeout');
      }
    }

    /**
     * @param {NwcConnection} object
     * @param {string[]} relays
     * @param {string} method
     * @param {string} params
     * @param {number} limitMs
     */
    async #exchange(object, relays, method, params, limitMs) {
      const relay = await this.#connected(object, relays);
      if (method === 'make_invoice' && !relay.object().isReceiveOnly()) {
        await (this.#checking ??= this.#check(relay, limitMs).finally(() => (this.#checking = undefined)));
      }
      const answer = await relay.request(method, params, limitMs);
      if (method === 'get_info') relay.object().learn(answer);
      return answer;
    }

    /**
     * Checks that the connection may not spend. Requests that arrive at the same time check it together, because some wallets answer
     * few requests a minute.
     * @param {Relay} relay
     * @param {number} limitMs
     */
    async #check(relay, limitMs) {
      const info = await relay.request('get_info', '{}', limitMs);
      const fault = relay.object().learn(info);
      if (fault !== undefined) throw new Fault(fault);
    }

    /**
     * Returns the open connection. Requests that arrive at the same time open one together.
     * @param {NwcConnection} object
     * @param {string[]} relays
     */
    async #connected(object, relays) {
      if (this.#relay && !this.#relay.isClosed && this.#relay.isOf(object)) return this.#relay;
      this.#relay?.close();
      this.#connecting ??= this.#connect(object, relays).finally(() => (this.#connecting = undefined));
      return (this.#relay = await this.#connecting);
    }

    /**
     * Connects to the first relay that works.
     * @param {NwcConnection} object
     * @param {string[]} relays
     */
    async #connect(object, relays) {
      let fault = new Fault('unreachable');
      for (const _ of relays) {
        const url = /** @type {string} */ (relays[this.#failures % relays.length]);
        const relay = new Relay(object, this.current, this.state);
        try {
          await within(relay.open(url), relays.length > 1 ? CONNECT_MS : MAX_MS);
          return relay;
        } catch (error) {
          relay.close();
          this.#failures += 1;
          fault = error instanceof Fault ? error : new Fault('unreachable');
          if (fault.message === 'no_encryption') break;
        }
      }
      throw fault;
    }
  };
}

/** A connection to a relay. */
class Relay {
  /** @type {WebSocket | undefined} */
  #socket;
  /** The requests that wait for a response, by their IDs. @type {Map<string, { resolve: (text: string) => void, reject: (fault: Fault) => void }>} */
  #waiting = new Map();
  /** The timer that closes the connection. @type {number | null} */
  #idle = null;
  /** Until when the connection stays open for requests of clients. */
  #neededUntilMs = 0;
  /** Waits for the end of the stored events. @type {{ resolve: (word: string) => void, reject: (fault: Fault) => void } | undefined} */
  #opening;
  isClosed = false;
  /** When the last message arrived. */
  heardMs = 0;

  #object;
  #current;
  #state;

  /**
   * @param {NwcConnection} object
   * @param {{ get(): NwcConnection }} current
   * @param {DurableObjectState} state
   */
  constructor(object, current, state) {
    this.#object = object;
    this.#current = current;
    this.#state = state;
  }

  /** @param {NwcConnection} object */
  isOf(object) {
    return this.#object === object;
  }

  /** Returns the object of the wasm. After a crash of the wasm, its object must not be used, and the connection ends. */
  object() {
    if (this.#current.get() === this.#object) return this.#object;
    this.close();
    throw new Fault('unreachable');
  }

  /**
   * Connects, reads the info event of the wallet, and subscribes to its responses.
   * @param {string} url
   */
  async open(url) {
    // A redirect is not followed, as in browsers: the owner has chosen this relay, and a redirect may lead to one without TLS.
    const response = await fetch(url.replace(/^ws/, 'http'), { headers: { Upgrade: 'websocket' }, redirect: 'manual' });
    const socket = response.webSocket;
    if (!socket || this.isClosed) {
      socket?.accept();
      socket?.close();
      throw new Fault('unreachable');
    }
    this.#socket = socket;
    socket.addEventListener('message', ({ data }) => {
      try {
        this.#receive(data);
      } catch {
        // The wasm has crashed.
        this.close();
      }
    });
    socket.addEventListener('close', () => this.close());
    socket.addEventListener('error', () => this.close());
    socket.accept();
    await this.#ask(this.object().askForInfo());
    await this.#ask(this.object().subscribe());
    this.#closeAfter(IDLE_MS);
  }

  /**
   * Sends a subscription, and waits until its stored events have arrived.
   * @param {string | undefined} message
   */
  #ask(message) {
    if (message === undefined) throw new Fault('no_encryption');
    return new Promise((resolve, reject) => {
      this.#opening = { resolve, reject };
      this.#send(message);
    });
  }

  /**
   * Sends a request, and returns the response.
   * @param {string} method
   * @param {string} params
   * @param {number} limitMs
   * @returns {Promise<string>}
   */
  async request(method, params, limitMs) {
    const [id = '', message] = this.object().seal(method, params, limitMs)?.split('\n') ?? [];
    if (message === undefined) throw new Fault('no_encryption');
    clearTimeout(this.#idle);
    if (method !== 'list_transactions') this.#neededUntilMs = Date.now() + IDLE_MS;
    try {
      return await within(new Promise((resolve, reject) => {
        this.#waiting.set(id, { resolve, reject });
        this.#send(message);
      }), limitMs);
    } finally {
      this.#waiting.delete(id);
      this.#closeAfter(Math.max(this.#neededUntilMs - Date.now(), NEXT_PAGE_MS));
    }
  }

  close(fault = new Fault('unreachable')) {
    if (this.isClosed) return;
    this.isClosed = true;
    clearTimeout(this.#idle);
    this.#opening?.reject(fault);
    for (const { reject } of this.#waiting.values()) reject(fault);
    this.#waiting.clear();
    try {
      this.#socket?.close(1000);
    } catch {
      // The connection is closed already.
    }
  }

  /** @param {string} message */
  #send(message) {
    if (this.isClosed || !this.#socket) throw new Fault('unreachable');
    this.#socket.send(message);
  }

  /**
   * Closes the connection after this time, if no request is sent before, because an open connection costs money.
   * @param {number} ms
   */
  #closeAfter(ms) {
    clearTimeout(this.#idle);
    if (!this.isClosed) this.#idle = setTimeout(() => this.close(), ms);
  }

  /** @param {unknown} data */
  #receive(data) {
    this.heardMs = Date.now();
    if (typeof data !== 'string' || data.length > MAX_MESSAGE) return;
    const [word, id = '', ...rest] = this.object().read(data).split('\n');
    const waiting = this.#waiting.get(id);
    switch (word) {
      case 'info':
      case 'subscribed': this.#opening?.resolve(word); break;
      case 'closed': this.close(new Fault('refused')); break;
      case 'refused': waiting?.reject(new Fault('refused')); break;
      case 'response': waiting?.resolve(rest.join('\n')); break;
      case 'notification': this.#state.waitUntil(this.object().record(rest.join('\n'))); break;
    }
  }
}

/** A fault whose name the Worker gets. */
class Fault extends Error {}

/** If the address has several relays, a relay must be ready within this time. */
const CONNECT_MS = 2000;
/** No call takes longer. */
const MAX_MS = 10_000;
/**
 * After a request of a client, the connection stays open for this time. The cron trigger reads the wallet's list of payments every
 * minute: if that counted too, the connection would never be closed.
 */
const IDLE_MS = 60_000;
/** After a page of this list, the connection stays open for the next page. */
const NEXT_PAGE_MS = 2_000;
/** The longest message of a relay, in UTF-16 units. */
const MAX_MESSAGE = 1_048_576;
