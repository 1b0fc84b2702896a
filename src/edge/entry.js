// The entry point of the Worker: passes the events of the runtime to the wasm. `tools/build.sh` bundles this file with
// `shell.js` and with `index.js`, which wasm-bindgen generates.
import { env as globalEnv } from 'cloudflare:workers';
import * as wasm from './index.js';
import { nwcConnection } from './nwc_connection.js';
import { EXPORT, REQUEST_HEADER, RESPONSE_HEADER, change, exportPayments, faultOf, instances, isResponse, parsePlan, readHeaders, send } from './shell.js';

/** @typedef {import('./shell.js').Env} Env */

try {
  wasm.prepare(globalEnv);
} catch {
  // The first request fails in the same way, and its response and log record say so.
}

/** @type {ExportedHandler<Env>} */
const worker = {
  fetch(request, env, context) {
    try {
      const answer = wasm.fetch(request, env, context);
      return typeof answer === 'string' ? forward(request, env, context, parsePlan(answer)) : answer;
    } catch (error) {
      return fail(request, env, context, '', nameOf(error), Date.now());
    }
  },
  scheduled: (_event, env) => wasm.scheduled(env),
};
export default worker;

/**
 * Forwards a request for which nothing has to be awaited before, and writes its log record.
 * @param {Request} request
 * @param {Env} env
 * @param {ExecutionContext} context
 * @param {import('./shell.js').Plan} plan
 * @returns {Promise<Response>}
 */
async function forward(request, env, context, plan) {
  const startedMs = Date.now();
  /** @param {string} fault */
  const failed = (fault) => fail(request, env, context, plan.response, fault, startedMs);
  try {
    const sent = send(request, env, plan);
    let response;
    try {
      response = await sent;
    } catch (error) {
      return failed(faultOf(error));
    }
    if (!isResponse(response)) return failed('unreachable');
    wasm.renew();
    const edits = wasm.finishForward(env, context, plan.response, readHeaders(response));
    const answer = edits || plan.changesResponse ? change(response, plan, edits) : response;
    console.log(`${plan.record}${answer.status},"ms":${Date.now() - startedMs}}`);
    return answer;
  } catch (error) {
    return failed(nameOf(error));
  }
}

/**
 * Answers a request with an error.
 * @param {Parameters<typeof wasm.failed>} args
 */
function fail(...args) {
  wasm.renew();
  return wasm.failed(...args);
}

/**
 * Returns the name of an exception. Its message may contain a URL or a header.
 * @param {unknown} error
 */
function nameOf(error) {
  return error instanceof Error ? error.name : '';
}

export const FreeTierCounter = storedValue(wasm.FreeTierCounter);
export const InvoiceLimit = storedValue(wasm.InvoiceLimit);
export class Ledger extends durableObject(wasm.Ledger) {
  /** @param {Request} request */
  async fetch(request) {
    const isExport = request.headers.get(REQUEST_HEADER) === EXPORT;
    return isExport ? exportPayments((page) => super.fetch(page), await request.text()) : super.fetch(request);
  }
}
export const Meter = storedValue(wasm.Meter);
// `tools/build.sh` removes the lines with NwcConnection if the wasm was built without the feature `nwc`.
export const NwcConnection = nwcConnection(currentObject(wasm.NwcConnection));

/**
 * Returns the class of a Durable Object. After a crash of the wasm, the object of the old instance is replaced. Nothing is lost,
 * because the objects keep their state in their storage.
 * @param {typeof wasm.Ledger} WasmClass
 */
function durableObject(WasmClass) {
  const current = currentObject(WasmClass);
  return class {
    /**
     * @param {DurableObjectState} state
     * @param {object} env
     */
    constructor(state, env) {
      this.current = current(state, env);
    }

    /** @param {Request} request */
    fetch(request) {
      return this.current.get().fetch(request);
    }

    alarm() {
      return this.current.get().alarm();
    }
  };
}

/**
 * Returns the class of a Durable Object that keeps one value in memory and in its storage. Each response waits until the value is
 * written. Requests that arrive at nearly the same time share one write, because a write costs more than the rest of a request.
 * @param {new (state: any) => StoredValue} WasmClass
 */
function storedValue(WasmClass) {
  const current = currentObject(WasmClass);
  return class {
    /** @type {Promise<void> | undefined} */
    #writing;

    /**
     * @param {DurableObjectState} state
     * @param {object} env
     */
    constructor(state, env) {
      this.current = current(state, env);
    }

    /** @param {Request} request */
    async fetch(request) {
      const object = this.current.get();
      const response = object.answer(request.headers.get(REQUEST_HEADER) ?? '');
      if (object.isChanged()) this.#writing ??= this.#write(object);
      await this.#writing;
      return new Response(null, { headers: { [RESPONSE_HEADER]: response } });
    }

    /** Deletes the value. */
    async alarm() {
      await this.#writing;
      const deleted = this.current.get().alarm?.();
      this.current.forget();
      await deleted;
    }

    /** @param {StoredValue} object */
    async #write(object) {
      // In the meantime, the requests that have arrived are answered.
      await scheduler.wait(0);
      this.#writing = undefined;
      try {
        if (this.current.get() !== object) throw new Error('The object has been replaced, and its value is lost');
        object.write();
      } catch (error) {
        this.current.forget();
        throw error;
      }
    }
  };
}

/**
 * An object of the wasm that keeps one value.
 * @typedef {{ answer(request: string): string, isChanged(): boolean, write(): void, alarm?(): Promise<any> }} StoredValue
 */

/**
 * Returns a function that keeps the wasm object of a Durable Object. An object of an earlier instance of the wasm is replaced.
 * @template T
 * @param {new (state: any, env: any) => T} WasmClass
 */
function currentObject(WasmClass) {
  return (/** @type {DurableObjectState} */ state, /** @type {object} */ env) => {
    /** @type {T | undefined} */
    let object;
    let instance = 0;
    return {
      /** @returns {T} */
      get() {
        wasm.renew();
        if (!object || instance !== instances()) {
          object = new WasmClass(state, env);
          instance = instances();
        }
        return object;
      },
      /** Drops the wasm object. The next call reads its state from the storage. */
      forget() {
        object = undefined;
      },
    };
  };
}
