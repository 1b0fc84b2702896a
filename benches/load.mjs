// Sends one request again and again over 16 connections. Prints how many responses with each status arrived, as JSON.
// Arguments: port, milliseconds, and the head of the request in base64.
import { connect } from 'node:net';

const [port, ms, head] = process.argv.slice(2);
const request = Buffer.from(head, 'base64');
const statuses = {};
const ends = Date.now() + Number(ms);

await Promise.all(Array.from({ length: 16 }, () => new Promise(runConnection)));
process.stdout.write(JSON.stringify(statuses));

function runConnection(resolve, reject) {
  const socket = connect(port, '127.0.0.1', () => socket.write(request));
  let received = '';
  socket.setEncoding('latin1').setNoDelay(true);
  socket.on('error', reject);
  socket.on('data', (text) => {
    received += text;
    const end = endOf(received);
    if (end === undefined) return;
    const status = received.slice(9, 12);
    statuses[status] = (statuses[status] ?? 0) + 1;
    received = received.slice(end);
    if (Date.now() < ends) return void socket.write(request);
    socket.end();
    resolve();
  });
}

/** Returns the length of the first response; `undefined` if it is not complete. */
function endOf(text) {
  const body = text.indexOf('\r\n\r\n') + 4;
  if (body < 4) return undefined;
  const length = /^content-length: *(\d+)/im.exec(text.slice(0, body))?.[1];
  const end = length === undefined ? text.indexOf('0\r\n\r\n', body) + 5 : body + Number(length);
  return (length === undefined && end < body + 5) || text.length < end ? undefined : end;
}
