// A Worker in front of three others: `X-Isolate` says which of them gets the request.
export default {
  fetch: (request, env) => env[`edge${request.headers.get('X-Isolate')}`].fetch(request),
};
