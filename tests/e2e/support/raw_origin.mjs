// An origin that sends the bytes that a test defines, and records the heads of the requests as they arrived.
import { createServer } from 'node:net';

/**
 * Starts the origin. `answers` maps paths to the bytes of a response, or to a function that gets the connection and the bytes that
 * follow the head of the request. Other paths get 404.
 */
export async function startRawOrigin(answers) {
  const heads = [];
  const connections = new Set();
  const server = createServer((connection) => {
    connections.add(connection);
    connection.on('close', () => connections.delete(connection)).on('error', () => {});
    let received = '';
    connection.on('data', function read(bytes) {
      received += bytes.toString('latin1');
      const end = received.indexOf('\r\n\r\n') + 4;
      if (end < 4) return;
      const [head, rest] = [received.slice(0, end), received.slice(end)];
      received = '';
      heads.push(head);
      const answer = answers[head.split(/[ ?]/)[1]] ?? NOT_FOUND;
      if (typeof answer !== 'function') return void connection.write(answer);
      connection.off('data', read);
      answer(connection, Buffer.from(rest, 'latin1'));
    });
  });
  const listen = (port) => new Promise((resolve) => server.listen(port, '127.0.0.1', resolve));
  await listen(0);
  const { port } = server.address();
  const stop = () => {
    connections.forEach((connection) => connection.destroy());
    return new Promise((resolve) => server.close(resolve));
  };
  return {
    host: `127.0.0.1:${port}`,
    url: `http://127.0.0.1:${port}`,
    heads,
    stop,
    /** Stops the origin, which breaks all connections, and starts it again at the same port. */
    restart: async () => {
      await stop();
      await listen(port);
    },
  };
}

const NOT_FOUND = 'HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n';
