// Forwards a request to its own URL. All ratios are to this Worker.
export default { fetch: (request) => fetch(request) };
