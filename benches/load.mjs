// Sends one request again and again. Prints as JSON how many responses with each status arrived, and after how many milliseconds the
// last one.
// Argument: JSON with the port, milliseconds, the least number of requests, the head of the request, the number of connections, the
// length of the body, from how many client addresses the requests come, and the number of the first of them.
import { connect } from 'node:net';

const { port, ms, minimum, head, connections, bodyLength, clients, firstClient } = JSON.parse(process.argv[2]);
const heads = Array.from({ length: clients }, (_, at) => Buffer.from(at ? head.replace('203.0.113.7', address(at)) : head));
const body = Buffer.alloc(bodyLength, 'x');
const statuses = {};
const started = Date.now();
let sent = 0;

await Promise.all(Array.from({ length: connections }, () => new Promise(runConnection)));
process.stdout.write(JSON.stringify({ statuses, ms: Date.now() - started }));

function runConnection(resolve, reject) {
  const socket = connect(port, '127.0.0.1', send);
  let response = newResponse();
  socket.setEncoding('latin1').setNoDelay(true);
  socket.on('error', reject);
  socket.on('close', () => reject(new Error('the connection was closed')));
  socket.on('data', (text) => {
    if (!response.reads(text)) return;
    statuses[response.status] = (statuses[response.status] ?? 0) + 1;
    response = newResponse();
    if (Date.now() < started + ms || sent < minimum) return send();
    socket.end();
    resolve();
  });

  function send() {
    socket.write(heads[(firstClient + sent++) % clients]);
    if (bodyLength) socket.write(body);
  }
}

/** A response that is being received. `reads` takes what has arrived and returns whether the response is complete. */
function newResponse() {
  let text = '';
  let left;
  return {
    status: undefined,
    reads(more) {
      if (left !== undefined) return (left -= more.length) <= 0;
      text += more;
      const end = text.indexOf('\r\n\r\n') + 4;
      if (end < 4) return false;
      this.status = text.slice(9, 12);
      const length = /^content-length: *(\d+)/im.exec(text.slice(0, end))?.[1];
      if (length === undefined) return text.endsWith('0\r\n\r\n');
      left = Number(length) - (text.length - end);
      return left <= 0;
    },
  };
}

function address(number) {
  return `10.${number >> 16}.${(number >> 8) & 255}.${number & 255}`;
}
