// Runs the Worker in the Workers runtime, with `wrangler dev`.
import { join } from 'node:path';
import { root } from './run.mjs';

const node = join(root, 'node_modules/.bin/node');
const wrangler = join(root, 'node_modules/wrangler/bin/wrangler.js');

/** Starts `wrangler dev` with these arguments and waits until it accepts requests. Returns its URL and the server. */
export async function startWrangler(run, args, { cwd = root, onLine } = {}) {
  let url;
  const server = run.start(
    'wrangler',
    node,
    [wrangler, 'dev', '--ip', '127.0.0.1', '--inspector-port', '0', '--show-interactive-dev-session=false', ...args],
    {
      cwd,
      env: {
        ...process.env,
        PATH: `${join(root, 'node_modules/.bin')}:${process.env.PATH}`,
        CI: '1',
        CLOUDFLARE_CF_FETCH_ENABLED: 'false',
        WRANGLER_SEND_METRICS: 'false',
        WRANGLER_LOG_PATH: join(run.dir, 'wrangler-logs'),
        // Each test process has its own registry of Workers, because Workers of concurrent test files may have the same name.
        WRANGLER_REGISTRY_PATH: join(run.dir, `wrangler-registry-${process.pid}`),
      },
      onLine: (line) => {
        url ??= line.match(/Ready on (http:\/\/[^\s]+)/)?.[1];
        onLine?.(line);
      },
    },
  );
  await server.until(() => url, 300);
  return { url, server };
}
