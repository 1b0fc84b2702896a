// Sends one request again and again, first without measuring. Prints as JSON how many requests were sent, and of the measured part, how
// many responses with each status arrived, after how many milliseconds the last one, and the CPU time of the server's process in
// milliseconds.
// Argument: JSON with the port and the process of the server, how many milliseconds and how many requests at least are not measured, the
// milliseconds that are, the head of the request, the number of connections, the length of the body, from how many client addresses the
// requests come, and the number of the first of them.
import { connect } from 'node:net';
import { cpuMs } from './cpu.mjs';

const { port, pid, before, ms, head, connections, bodyLength, clients, firstClient } = JSON.parse(process.argv[2]);
const heads = Array.from({ length: clients }, (_, at) => Buffer.from(at ? head.replace('203.0.113.7', address(at)) : head));
const body = Buffer.alloc(bodyLength, 'x');
let sent = 0;

await sendFor(before.ms, before.requests);
const cpuBefore = cpuMs(pid);
const measured = await sendFor(ms, 1);
process.stdout.write(JSON.stringify({ ...measured, sent, cpuMs: cpuMs(pid) - cpuBefore }));

/** Sends requests for some time, and at least `minimum`. */
async function sendFor(ms, minimum) {
  const statuses = {};
  const started = Date.now();
  const last = sent + minimum;
  const isOver = () => Date.now() >= started + ms && sent >= last;
  await Promise.all(Array.from({ length: connections }, () => new Promise((resolve, reject) => runConnection(statuses, isOver, resolve, reject))));
  return { statuses, ms: Date.now() - started };
}

function runConnection(statuses, isOver, resolve, reject) {
  const socket = connect(port, '127.0.0.1', send);
  let response = newResponse();
  socket.setEncoding('latin1').setNoDelay(true);
  socket.on('error', reject);
  socket.on('close', () => reject(new Error('the connection was closed')));
  socket.on('data', (text) => {
    if (!response.reads(text)) return;
    statuses[response.status] = (statuses[response.status] ?? 0) + 1;
    response = newResponse();
    if (!isOver()) return send();
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
