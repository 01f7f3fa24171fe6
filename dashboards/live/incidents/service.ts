// A handler with an HTTP port that can be told how to go wrong.
import { createServer, type Server } from 'node:http';

/** What becomes of a message: a status after some milliseconds, or no answer at all. */
export type Answer = { readonly status: number; readonly after: number } | 'never';

export class Service {
  /** What becomes of the message with this number; the first attempt is 1. */
  answers: (number: number, attempt: number) => Answer = () => ({ status: 200, after: 20 });
  #server: Server;
  #port = 0;

  private constructor() {
    this.#server = createServer();
  }

  static async start(): Promise<Service> {
    const service = new Service();
    await service.#listen();
    return service;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}/`;
  }

  /** Refuses every connection from now on. */
  async end(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((done) => this.#server.close(done));
  }

  async #listen(): Promise<void> {
    this.#server = createServer(async (request, response) => {
      let body = '';
      for await (const chunk of request) body += chunk;
      const answer = this.answers(Number(body), Number(request.headers['x-aws-sqsd-receive-count']));
      if (answer === 'never') return;
      setTimeout(() => response.writeHead(answer.status).end(), answer.after);
    });
    await new Promise<void>((done) => this.#server.listen(this.#port, '127.0.0.1', done));
    const address = this.#server.address();
    this.#port = typeof address === 'object' && address !== null ? address.port : 0;
  }
}
