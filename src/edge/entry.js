// The entry point of the Worker: passes the events of the runtime to the wasm. `tools/build.sh` bundles this file with
// `shell.js` and with `index.js`, which wasm-bindgen generates.
import * as wasm from './index.js';
import { instances } from './shell.js';

export default {
  fetch: (request, env, context) => wasm.fetch(request, env, context),
  scheduled: (_event, env) => wasm.scheduled(env),
};

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
