// A Worker under `wrangler dev` whose configuration can change while it runs.
import { writeJson } from './run.mjs';
import { startWrangler } from './worker.mjs';

export class LocalWorker {
  #run;
  #options;
  #server;
  #reloads = 0;

  /**
   * Starts the Worker and waits until it accepts requests.
   * @param options.file where to write the configuration: in the folder of the owner's Wrangler file, so that relative paths and
   *   .dev.vars are found
   * @param options.config the configuration
   * @param options.args more arguments for `wrangler dev`
   * @param options.onLine receives each line that Wrangler prints after the start
   * @param options.onEnd is called with the reason if the Worker ends by itself
   */
  static async start(run, options) {
    const worker = new LocalWorker();
    worker.#run = run;
    worker.#options = options;
    worker.config = options.config;
    await worker.#start();
    return worker;
  }

  /** Serves a configuration. If Wrangler does not accept it, serves the previous one again and throws. */
  async serve(config) {
    const server = this.#server;
    const reloads = this.#reloads;
    this.#server = undefined;
    writeJson(this.#options.file, config);
    try {
      await server.until(() => this.#reloads > reloads, 20);
    } catch {
      await server.stop();
      await this.#start().catch((error) => this.#options.onEnd(error.message));
      throw new Error('Wrangler cannot run this; its message is above');
    }
    this.config = config;
    this.#server = server;
  }

  async #start() {
    const { file, args, cwd, onLine, onEnd } = this.#options;
    let isReady = false;
    writeJson(file, this.config);
    const { url, server } = await startWrangler(this.#run, ['-c', file, ...args], {
      cwd,
      onLine: (line) => {
        if (line.includes('Local server updated and ready')) this.#reloads += 1;
        if (isReady) onLine(line);
      },
    });
    isReady = true;
    this.url = url;
    this.#server = server;
    server.ended().then(() => this.#server === server && onEnd(`wrangler stopped:\n${server.tail()}`));
  }
}
