// The least that a Worker can do in front of an origin.
export default {
  fetch(request, { ORIGIN_URL }) {
    const { pathname, search } = new URL(request.url);
    return fetch(new Request(ORIGIN_URL + pathname + search, request));
  },
};
