// The entry point of the Worker in the soak test: the real Worker, whose Durable Objects fail and whose clock jumps when the test says so.
import * as real from './index.js';

/** What fails: the fault of each class of Durable Object, and by how many milliseconds the clock is wrong. */
const state = { aheadMs: 0 };
const now = Date.now;
Date.now = () => now() + state.aheadMs;

export default {
  async fetch(request, env, context) {
    const { pathname, searchParams } = new URL(request.url);
    if (pathname !== '/soak-control') return real.default.fetch(request, env, context);
    Object.assign(state, JSON.parse(searchParams.get('state')));
    if (searchParams.has('cron')) await real.default.scheduled(undefined, env);
    return new Response('done');
  },
};

export const Meter = faulty('Meter');
export const InvoiceLimit = faulty('InvoiceLimit');
export const FreeTierCounter = faulty('FreeTierCounter');
export const Ledger = faulty('Ledger');

function faulty(name) {
  return class {
    constructor(objectState, env) {
      this.state = objectState;
      this.real = new real[name](objectState, env);
    }

    async fetch(request) {
      switch (state[name]) {
        case 'delays':
          await scheduler.wait(4_000);
          break;
        case 'refuses':
          throw new Error('the soak test refuses this request');
        case 'sends garbage':
          return new Response('\u0001{"garbage":', { headers: { 'Toll-Response': '{"garbage":' } });
        case 'loses its responses':
          await this.real.fetch(request);
          throw new Error('the soak test loses this response');
        case 'restarts': {
          const response = await this.real.fetch(request);
          this.state.abort('the soak test restarts this object');
          return response;
        }
      }
      return this.real.fetch(request);
    }

    alarm() {
      return this.real.alarm();
    }
  };
}
