// The entry point of the Worker: passes the events of the runtime to the wasm. `tools/build.sh` bundles this file with
// `shell.js` and with `index.js`, which wasm-bindgen generates.
import * as wasm from './index.js';
import { change, faultOf, instances, isResponse, parsePlan, readHeaders, send } from './shell.js';

export default {
  fetch(request, env, context) {
    const answer = wasm.fetch(request, env, context);
    return typeof answer === 'string' ? forward(request, env, context, parsePlan(answer)) : answer;
  },
  scheduled: (_event, env) => wasm.scheduled(env),
};

/** Forwards a request for which nothing has to be awaited before, and writes its log record. */
async function forward(request, env, context, plan) {
  const startedMs = Date.now();
  const failed = (fault) => wasm.originFailed(request, env, context, plan.response, fault, startedMs);
  try {
    const sent = send(request, env, plan);
    let response;
    try {
      response = await sent;
    } catch (error) {
      return failed(faultOf(error));
    }
    if (!isResponse(response)) return failed('unreachable');
    const edits = wasm.finishForward(env, context, plan.response, readHeaders(response));
    const answer = edits || plan.changesResponse ? change(response, plan, edits) : response;
    console.log(`${plan.record}${answer.status},"ms":${Date.now() - startedMs}}`);
    return answer;
  } catch (error) {
    return failed(error?.name ?? "");
  }
}

export const FreeTierCounter = durableObject(wasm.FreeTierCounter);
export const InvoiceLimit = durableObject(wasm.InvoiceLimit);
export const Ledger = durableObject(wasm.Ledger);
export const Meter = durableObject(wasm.Meter);

/**
 * Returns the class of a Durable Object. After a panic, the object of the old instance of the wasm is replaced. Nothing is lost,
 * because the objects keep their state in their storage.
 */
function durableObject(WasmClass) {
  return class {
    #state;
    #env;
    #object;
    #instance;

    constructor(state, env) {
      this.#state = state;
      this.#env = env;
    }

    fetch(request) {
      return this.#current().fetch(request);
    }

    alarm() {
      return this.#current().alarm();
    }

    #current() {
      wasm.renew();
      if (this.#instance !== instances()) {
        this.#object = new WasmClass(this.#state, this.#env);
        this.#instance = instances();
      }
      return this.#object;
    }
  };
}
