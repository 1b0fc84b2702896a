import { fetch } from './index.js';

export default {
  /** @param {Request} request */
  fetch: (request) => fetch(request),
};
