// An origin that remembers what reached it, and answers as a test asks.
import { createServer } from 'node:http';
import { WebSocketServer } from 'ws';

/** Starts it. `answers` maps paths to handlers; any other path echoes the body. */
export async function startRecordingOrigin(answers = {}) {
  const requests = [];
  const server = createServer(async (request, response) => {
    const chunks = [];
    const seen = { method: request.method, path: request.url, headers: request.headers };
    requests.push(seen);
    const answer = answers[request.url.split('?')[0]];
    if (answer) return answer(request, response);
    for await (const chunk of request) chunks.push(chunk);
    seen.body = Buffer.concat(chunks);
    response.writeHead(200, { 'Content-Type': 'application/octet-stream' });
    response.end(seen.body);
  });
  const sockets = new WebSocketServer({ server });
  sockets.on('connection', (socket, request) => {
    requests.push({ method: request.method, path: request.url, headers: request.headers });
    socket.on('message', (data, binary) => socket.send(data, { binary }));
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    requests,
    last: () => requests.at(-1),
    close: () => {
      sockets.close();
      server.closeAllConnections();
      return new Promise((resolve) => server.close(resolve));
    },
  };
}
