// A service with an HTTP port that handles messages as their bodies ask, and that can be down for a while.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';

export class Handler {
  readonly port: number;
  #server: Server;

  private constructor(server: Server, port: number) {
    [this.#server, this.port] = [server, port];
  }

  static async start(): Promise<Handler> {
    const server = await listening(0);
    const address = server.address();
    return new Handler(server, typeof address === 'object' && address !== null ? address.port : 0);
  }

  /** Refuses every connection from now on. */
  async goDown(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((done) => this.#server.close(done));
  }

  /** Is there again, where it was. */
  async comeBack(): Promise<void> {
    this.#server = await listening(this.port);
  }
}

async function listening(port: number): Promise<Server> {
  const server = createServer((request, response) => void answer(request, response));
  await new Promise<void>((done) => server.listen(port, '127.0.0.1', done));
  return server;
}

/** `503 40 then 200`: answer 503 after 40 ms, and 200 from the second try on. */
async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  let body = '';
  for await (const chunk of request) body += chunk;
  const [status, milliseconds, , afterwards = status] = body.split(' ');
  await new Promise((done) => setTimeout(done, Number(milliseconds)));
  const isFirst = request.headers['x-aws-sqsd-receive-count'] === '1';
  response.writeHead(Number(isFirst ? status : afterwards), { 'retry-after': '1' }).end();
}
