// The origin: answers `/blob/N` with N bytes, everything else with 200 bytes, and reads the bodies of requests. Argument: the port.
import { createServer } from 'node:http';

const joke = JSON.stringify({ joke: 'x'.repeat(180) });
const blobs = {};

createServer((request, response) => {
  const length = Number(/^\/blob\/(\d+)$/.exec(request.url)?.[1] ?? 0);
  const answer = request.method === 'GET' && length ? (blobs[length] ??= Buffer.alloc(length, 'x')) : joke;
  request.resume().on('end', () => response.end(answer));
}).listen(Number(process.argv[2]), '127.0.0.1');
