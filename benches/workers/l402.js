// A minimal L402 Worker in plain JavaScript: checks a standard macaroon and its preimage with WebCrypto, and forwards the request.
const encoder = new TextEncoder();
let rootKey;

export default {
  async fetch(request, { TOLL_SECRET, ORIGIN_URL }) {
    const { pathname, search } = new URL(request.url);
    const hash = await verify(request.headers.get('Authorization'), pathname, request.method, TOLL_SECRET);
    if (!hash) return new Response('{"error":"payment required"}', { status: 402 });
    const forwarded = new Request(ORIGIN_URL + pathname + search, request);
    forwarded.headers.delete('Authorization');
    forwarded.headers.set('X-Toll-Payment-Hash', hash);
    const answer = await fetch(forwarded);
    const response = new Response(answer.body, answer);
    response.headers.set('Cache-Control', 'private');
    return response;
  },
};

/** Returns the payment hash of a valid credential; `undefined` for any other header. */
async function verify(header, path, method, secret) {
  const [, encoded, preimage] = /^L402 ([\w+/=-]+):([\da-f]{64})$/.exec(header ?? '') ?? [];
  if (!encoded) return undefined;
  const { identifier, caveats, signature } = parse(Uint8Array.from(atob(encoded), (c) => c.charCodeAt(0)));
  rootKey ??= await hmac(encoder.encode(secret), encoder.encode('edgetoll/1/v2-root'));
  let expected = await hmac(await hmac(encoder.encode('macaroons-key-generator'), await hmac(rootKey, identifier)), identifier);
  for (const caveat of caveats) expected = await hmac(expected, caveat);
  if (!crypto.subtle.timingSafeEqual(expected, signature)) return undefined;
  const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', Uint8Array.from(preimage.match(/../g), (pair) => parseInt(pair, 16))));
  if (!crypto.subtle.timingSafeEqual(hash, identifier.subarray(2, 34))) return undefined;
  const now = Date.now() / 1000;
  const isSatisfied = (caveat) => {
    const [, name, value] = /^(\w+)=(.*)$/s.exec(new TextDecoder().decode(caveat)) ?? [];
    return { toll_valid_until: now <= value, endpoint: value === path, method: value === method, amount_sats: value >= 5 }[name] ?? true;
  };
  return caveats.every(isSatisfied) ? [...hash].map((byte) => byte.toString(16).padStart(2, '0')).join('') : undefined;
}

/** Splits a macaroon (version 2) into its parts. */
function parse(bytes) {
  let at = 1;
  const field = () => {
    let [length, shift] = [0, 0];
    at++;
    do length |= (bytes[at] & 127) << (7 * shift++); while (bytes[at++] & 128);
    return bytes.subarray(at, (at += length));
  };
  if (bytes[at] === 1) field();
  const identifier = field();
  const caveats = [];
  for (at++; bytes[at] !== 0; at++) caveats.push(field());
  at++;
  return { identifier, caveats, signature: field() };
}

async function hmac(key, message) {
  const imported = await crypto.subtle.importKey('raw', key, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign']);
  return new Uint8Array(await crypto.subtle.sign('HMAC', imported, message));
}
