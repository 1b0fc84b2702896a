// An origin that records the requests it receives and answers as a test defines.
import { createServer } from 'node:http';
import { WebSocketServer } from 'ws';

/** Starts the origin. `answers` maps paths to handlers. A path without a handler returns the request body. */
export async function startRecordingOrigin(answers = {}) {
  const requests = [];
  const server = createServer(async (request, response) => {
    const chunks = [];
    const recorded = { method: request.method, path: request.url, headers: request.headers };
    requests.push(recorded);
    const answer = answers[request.url.split('?')[0]];
    if (answer) return answer(request, response);
    for await (const chunk of request) chunks.push(chunk);
    recorded.body = Buffer.concat(chunks);
    response.writeHead(200, { 'Content-Type': 'application/octet-stream' });
    response.end(recorded.body);
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
