// A Worker that forwards each request to one of three Workers, selected by the header `X-Isolate`.
export default {
  fetch: (request, env) => env[`edge${request.headers.get('X-Isolate')}`].fetch(request),
};
