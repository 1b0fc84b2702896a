// HTTP clients for tests: `send` does not normalize the path, and `sendRaw` sends any bytes.
import { createHmac } from 'node:crypto';
import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { lnbits, pay } from './paywall.mjs';

/** Sends a request, with `body` at once or in `chunks`. Returns status, headers and body of the response. */
export function send(base, path, { method = 'GET', headers = {}, body, chunks } = {}) {
  const { hostname, port } = new URL(base);
  if (body !== undefined) headers = { 'Content-Length': Buffer.byteLength(body), ...headers };
  return new Promise((resolve, reject) => {
    const request = httpRequest({ hostname, port, path, method, headers }, async (response) => {
      const chunks = [];
      for await (const chunk of response) chunks.push(chunk);
      const bytes = Buffer.concat(chunks);
      const { statusCode: status, headers: received } = response;
      // Checks in every test that no response contains a wallet key.
      const everything = `${JSON.stringify(received)} ${bytes}`;
      if (Object.values(lnbits.merchant).some((secret) => everything.includes(secret))) return reject(new Error(`the response to ${path} contains an LNbits key`));
      resolve({ status, headers: received, bytes, text: bytes.toString(), json: () => JSON.parse(bytes.toString()) });
    });
    request.on('error', reject);
    chunks?.forEach((chunk) => request.write(chunk));
    request.end(body);
  });
}

/**
 * Sends raw bytes. Returns the response, which is complete when the server closes the connection, when no byte follows the last one
 * for `quietMs`, or when no byte arrives at all for `timeoutMs`.
 */
export function sendRaw(base, bytes, { quietMs = 250, timeoutMs = 5000 } = {}) {
  const { hostname, port } = new URL(base);
  return new Promise((resolve, reject) => {
    const chunks = [];
    const socket = connect({ host: hostname, port }, () => socket.write(bytes, 'latin1'));
    const end = () => {
      socket.destroy();
      const text = Buffer.concat(chunks).toString('latin1');
      resolve({ status: Number(text.match(/^HTTP\/1\.1 (\d{3}) /)?.[1]) || undefined, text });
    };
    socket.setTimeout(timeoutMs, end);
    socket.on('data', (chunk) => {
      chunks.push(chunk);
      socket.setTimeout(quietMs);
    });
    socket.on('close', end);
    // A server may respond and reset the connection before the whole request is sent.
    socket.on('error', (error) => (error.code === 'ECONNREFUSED' ? reject(error) : end()));
  });
}

/**
 * Requests a path and pays the invoice with `payWith`. Returns the preimage, the challenge, and the macaroon and the credential in the
 * standard and in the lightning-toll encoding.
 */
export async function buy(base, path, { payWith = pay, ...options } = {}) {
  const unpaid = await send(base, path, options);
  if (unpaid.status !== 402) throw new Error(`expected 402, got ${unpaid.status}: ${unpaid.text}`);
  const { macaroon, invoice } = parseChallenge(unpaid.headers['www-authenticate']);
  const preimage = await payWith(invoice);
  const body = unpaid.json();
  return {
    preimage,
    challenge: body,
    standard: `L402 ${macaroon}:${preimage}`,
    lightningToll: `L402 ${body.macaroon}:${preimage}`,
    macaroons: { standard: macaroon, lightningToll: body.macaroon },
  };
}

/** Parses a challenge as lnget, the Aperture client and l402-requests do, which are the strictest known parsers. */
export function parseChallenge(header) {
  const [, macaroon, invoice] = header.match(/^L402 macaroon="([^"]+)", invoice="([^"]+)"$/);
  return { macaroon, invoice };
}

/** Adds a caveat to a standard macaroon. Any holder can do so: the new signature is keyed with the old one. */
export function attenuate(macaroon, caveat) {
  const bytes = Buffer.from(macaroon, 'base64');
  const [packets, signature] = [bytes.subarray(0, -35), bytes.subarray(-32)];
  const field = Buffer.concat([Buffer.from([2, caveat.length]), Buffer.from(caveat), Buffer.from([0])]);
  const signed = createHmac('sha256', signature).update(caveat).digest();
  return Buffer.concat([packets, field, Buffer.from([0, 6, 32]), signed]).toString('base64');
}

/** Adds a caveat to a macaroon in lightning-toll's encoding. */
export function attenuateLightningToll(macaroon, caveat) {
  const { id, caveats, signature } = JSON.parse(Buffer.from(macaroon, 'base64url'));
  const signed = createHmac('sha256', Buffer.from(signature, 'hex')).update(caveat).digest('hex');
  return Buffer.from(JSON.stringify({ id, caveats: [...caveats, caveat], signature: signed })).toString('base64url');
}

/** Returns a base64 macaroon with one bit of its signature flipped. */
export function tamper(macaroon) {
  const bytes = Buffer.from(macaroon, 'base64');
  bytes[bytes.length - 1] ^= 1;
  return bytes.toString('base64');
}
