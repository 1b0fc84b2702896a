// A relay with faults: passes the messages between a client and a real relay on, and changes what arrives at the client.
import { generateSecretKey, finalizeEvent } from 'nostr-tools/pure';
import { WebSocket, WebSocketServer } from 'ws';

const RESPONSE = 23195;

/**
 * Starts the proxy. `connections` of the returned object counts the connections of clients, and `open` returns how many are open. `fault` of the returned object is the fault that is injected:
 * - `'does not answer'`: accepts connections, and passes nothing on;
 * - `'is slow'`: passes each message on after 700 ms;
 * - `'drops requests'`: closes the connection when a request arrives, after the wallet has got it;
 * - `'refuses requests'`: answers each event that it does not accept it;
 * - `'refuses subscriptions'`: answers each subscription that authentication is required;
 * - `'forges'`: sends forged responses before each response;
 * - `'repeats'`: sends each response three times;
 * - `'reorders'`: collects the responses until two have arrived, and sends the newer first.
 */
export async function startRelayProxy(relay) {
  const proxy = { fault: '', connections: 0, open: () => server.clients.size };
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
  server.on('connection', (client) => {
    proxy.connections += 1;
    const upstream = new WebSocket(relay.url);
    const open = new Promise((resolve) => upstream.once('open', resolve));
    let held = [];
    client.on('message', async (data) => {
      const [type, event] = JSON.parse(data);
      if (proxy.fault === 'does not answer') return;
      if (proxy.fault === 'refuses requests' && type === 'EVENT') return client.send(JSON.stringify(['OK', event.id, false, 'blocked: not here']));
      if (proxy.fault === 'refuses subscriptions' && type === 'REQ') return client.send(JSON.stringify(['CLOSED', event, 'auth-required: log in']));
      await open;
      upstream.send(String(data));
      if (proxy.fault === 'drops requests' && type === 'EVENT') client.terminate();
    });
    upstream.on('message', async (data) => {
      const message = JSON.parse(data);
      const isResponse = message[0] === 'EVENT' && message[2].kind === RESPONSE;
      const pass = (text = String(data)) => client.readyState === WebSocket.OPEN && client.send(text);
      if (proxy.fault === 'is slow') return setTimeout(pass, 700);
      if (isResponse && proxy.fault === 'forges') for (const forged of forgeries(message[2])) pass(JSON.stringify(['EVENT', message[1], forged]));
      if (isResponse && proxy.fault === 'repeats') [1, 2].forEach(() => pass());
      if (isResponse && proxy.fault === 'reorders') {
        held.unshift(String(data));
        if (held.length < 2) return;
        held.forEach((text) => pass(text));
        held = [];
        return;
      }
      pass();
    });
    client.on('close', () => upstream.close());
    upstream.on('close', () => client.terminate());
    upstream.on('error', () => client.terminate());
    client.on('error', () => {});
  });
  await new Promise((resolve) => server.once('listening', resolve));
  return Object.assign(proxy, {
    url: `ws://127.0.0.1:${server.address().port}`,
    /** Closes all connections of clients. */
    disconnect: () => server.clients.forEach((client) => client.terminate()),
    close: async () => {
      server.clients.forEach((client) => client.terminate());
      await new Promise((resolve) => server.close(resolve));
    },
  });
}

/** Returns responses that somebody else made for the same request: with another author, with an altered content, and for another client. */
function forgeries(event) {
  const { kind, created_at, tags, content } = event;
  const own = finalizeEvent({ kind, created_at, tags, content }, generateSecretKey());
  const flipped = content.replace(/.$/, (last) => (last === 'A' ? 'B' : 'A'));
  return [own, { ...event, content: flipped }, { ...event, sig: own.sig }, { ...own, pubkey: event.pubkey }, { ...event, tags: tags.map(([name, value]) => [name, name === 'p' ? own.pubkey : value]) }];
}
