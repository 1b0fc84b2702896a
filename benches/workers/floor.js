// The header work of edgetoll on a paid request, without any check, in plain JavaScript.
export default {
  async fetch(request, { ORIGIN_URL }) {
    const { pathname, search, host } = new URL(request.url);
    const forwarded = new Request(ORIGIN_URL + pathname + search, { ...request, method: request.method, headers: request.headers, body: request.body, redirect: 'manual' });
    const { headers } = forwarded;
    for (const name of [...headers.keys()]) if (name.startsWith('x-toll-')) headers.delete(name);
    headers.delete('Authorization');
    headers.set('X-Forwarded-Host', host);
    for (const [name, value] of OWN) headers.set(name, value);
    const answer = await fetch(forwarded, { cache: 'no-store' });
    const response = new Response(answer.body, answer);
    response.headers.set('Cache-Control', 'private');
    response.headers.set('Vary', 'Authorization, Cookie');
    response.headers.set('X-Toll-Expires', '1800000000');
    return response;
  },
};

const OWN = ['Hop', 'Status', 'Payment-Hash', 'Amount-Sats', 'Client'].map((name) => [`X-Toll-${name}`, '0123456789abcdef0123456789abcdef']);
