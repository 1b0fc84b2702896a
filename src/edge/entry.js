// The entry point of the Worker: passes the events of the runtime to the wasm. `tools/build.sh` bundles this file with
// `shell.js` and with `index.js`, which wasm-bindgen generates.
import * as wasm from './index.js';
import { change, faultOf, instances, isResponse, parsePlan, readHeaders, send } from './shell.js';

/** @typedef {import('./shell.js').Env} Env */

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

export const FreeTierCounter = durableObject(wasm.FreeTierCounter);
export const InvoiceLimit = durableObject(wasm.InvoiceLimit);
export const Ledger = durableObject(wasm.Ledger);
export const Meter = durableObject(wasm.Meter);

/**
 * Returns the class of a Durable Object. After a crash of the wasm, the object of the old instance is replaced. Nothing is lost,
 * because the objects keep their state in their storage.
 * @param {new (state: any, env: any) => { fetch(request: Request): Response | Promise<Response>, alarm?(): Promise<any> }} WasmClass
 */
function durableObject(WasmClass) {
  return class {
    #object = /** @type {InstanceType<typeof WasmClass> | undefined} */ (undefined);
    #instance = 0;

    /**
     * @param {DurableObjectState} state
     * @param {object} env
     */
    constructor(state, env) {
      this.state = state;
      this.env = env;
    }

    /** @param {Request} request */
    fetch(request) {
      return this.#current().fetch(request);
    }

    alarm() {
      return this.#current().alarm?.();
    }

    #current() {
      wasm.renew();
      if (!this.#object || this.#instance !== instances()) {
        this.#object = new WasmClass(this.state, this.env);
        this.#instance = instances();
      }
      return this.#object;
    }
  };
}
